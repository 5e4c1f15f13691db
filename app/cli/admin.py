"""`muster admin`: who may use the console."""

from dataclasses import asdict

import click

from app.cli.kit import emit, json_option, open_runtime, print_table
from app.core.audit import audit
from app.core.errors import ConflictError
from app.web.access import ROLES
from app.web.accounts import first_admin_link, invite_link, list_accounts


@click.group()
def admin() -> None:
    """Admins of the console: invite the first one, list."""


@admin.command()
@click.option("--invite", is_flag=True, help="A link for another person, though there is an admin already.")
@click.option(
    "--role",
    type=click.Choice(list(ROLES)),
    default="admin",
    show_default=True,
    help="With --invite: the role it gives.",
)
@json_option
def link(*, invite: bool, role: str, as_json: bool) -> None:
    """Print a link, good once and for 24 hours, that makes an account."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        url = runtime.settings.public_url
        made = invite_link(session, url, role) if invite else first_admin_link(session, url)
        if made is None:
            raise ConflictError(
                "There is an admin already.", "Invite another person: muster admin link --invite."
            )
        audit(session, "command line", "account.invite", f"role:{role if invite else 'admin'}")
    emit({"link": made, "role": role if invite else "admin"}, as_json=as_json, text=made)


@admin.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """Everybody who may sign in."""
    with open_runtime().transaction() as session:
        accounts = list_accounts(session)

    def show() -> None:
        rows = [
            (a.email, a.role, "yes" if a.is_active else "no", a.last_sign_in_at or "never") for a in accounts
        ]
        print_table(
            ("E-mail", "Role", "Active", "Last sign-in"), rows, empty="Nobody yet. Next: muster admin link"
        )

    emit([asdict(account) for account in accounts], as_json=as_json, text=show)
