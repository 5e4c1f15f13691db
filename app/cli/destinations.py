"""`muster destinations`: the Mailchimp accounts that contacts are synced to."""

import sys
from urllib.parse import parse_qs, urlsplit

import click

from app.audiences.account import (
    CALLBACK_PATH,
    begin_connect,
    finish_connect,
    get_destination,
    list_accounts,
    rotate_key,
)
from app.audiences.call_errors import tell_failed
from app.audiences.connect import Connections
from app.audiences.whose import keep_account
from app.cli.kit import emit, json_option, open_runtime, print_table
from integrations.mailchimp.problems import MailchimpProblem

ACTOR = "command line"
COLUMNS = ("slug", "login", "account", "state", "audiences")


@click.group()
def destinations() -> None:
    """Mailchimp accounts: list, check, connect by signing in, give another key."""


@destinations.command(name="list")
@json_option
def list_command(*, as_json: bool) -> None:
    """Every account, and whether it is being called."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        found = list_accounts(session)
    rows = [(one["slug"], one["login"], one["account"], one["state"], one["audiences"]) for one in found]
    emit(found, as_json=as_json, text=lambda: print_table(COLUMNS, rows, empty="No account yet."))


@destinations.command()
@click.argument("slug")
@json_option
def check(slug: str, *, as_json: bool) -> None:
    """Ask Mailchimp whose account it is; the reason where it does not say."""
    runtime = open_runtime()
    connections = Connections(runtime.box, runtime.settings.valkey_url)
    try:
        with runtime.transaction() as session:
            destination = get_destination(session, slug)
        info = connections.gateway(destination).get_root()
        keep_account(runtime.sessions, destination, info)
    except MailchimpProblem as problem:
        raise tell_failed(problem, slug, f"whether {slug} can be used is not known") from problem
    finally:
        connections.close()
    shown = {"slug": slug, "account_id": info.account_id, "name": info.account_name, "role": info.role}
    emit(shown, as_json=as_json, text=f"{slug}: {info.account_name} answers.")


@destinations.command()
@click.argument("slug")
@click.option("--oauth", "is_oauth", is_flag=True, help="Sign in at Mailchimp instead of giving a key.")
@json_option
def connect(slug: str, *, is_oauth: bool, as_json: bool) -> None:
    """Connect an account, or connect it again: with an API key, or with --oauth by signing in.

    With --oauth: open the address that is printed, allow the connection, and give the address that the browser ends
    at. Where the console is reachable for that browser, it finishes by itself.
    """
    if not is_oauth:
        _store_key(slug, as_json=as_json)
        return
    runtime = open_runtime()
    redirect_uri = runtime.settings.public_url + CALLBACK_PATH
    with runtime.transaction() as session:
        url = begin_connect(session, runtime.settings, slug, redirect_uri, ACTOR)
    click.echo(f"Open this address in a browser where you are signed in to Mailchimp:\n{url}", err=as_json)
    ended_at = click.prompt("The address that the browser ends at", type=str, err=as_json)
    answer = {name: values[0] for name, values in parse_qs(urlsplit(ended_at.strip()).query).items()}
    finish_connect(
        runtime.sessions,
        runtime.box,
        runtime.settings,
        answer=answer,
        redirect_uri=redirect_uri,
        actor=ACTOR,
    )
    emit({"slug": slug, "login": "oauth"}, as_json=as_json, text=f"{slug} is connected.")


@destinations.command(name="rotate-key")
@click.argument("slug")
@json_option
def rotate_key_command(slug: str, *, as_json: bool) -> None:
    """Give a known account another API key (asked for, or read from standard input); waiting work resumes."""
    runtime = open_runtime()
    with runtime.transaction() as session:
        get_destination(session, slug)
    _store_key(slug, as_json=as_json)


def _store_key(slug: str, *, as_json: bool) -> None:
    """The key comes by prompt or pipe: on the command line other users of the machine would see it."""
    runtime = open_runtime()
    is_asked = sys.stdin.isatty()
    key = click.prompt("API key", hide_input=True, type=str) if is_asked else sys.stdin.readline()
    rotate_key(
        runtime.sessions,
        runtime.box,
        runtime.settings,
        slug=slug,
        api_key=key.strip(),
        actor=ACTOR,
        base_url=runtime.settings.mailchimp_base_url,
    )
    emit({"slug": slug, "login": "api_key"}, as_json=as_json, text=f"{slug} is connected with this key.")
