"""The commands beside the console: admin, status, completion."""

import json

import pytest
from click.testing import CliRunner

from app.cli.admin import admin as admin_command
from app.cli.main import muster
from app.cli.status import status
from app.core.errors import ConflictError
from app.core.runtime import Runtime
from tests.web.conftest import Person, add_account
from tests.web.rows import add_office


@pytest.fixture(autouse=True)
def runtime(settings, monkeypatch):
    """The commands' runtime, let go of at the end as the end of a process would."""
    runtime = Runtime(settings)
    for module in ("admin", "status"):
        monkeypatch.setattr(f"app.cli.{module}.open_runtime", lambda: runtime)
    yield runtime
    runtime.engine.dispose()


def run(command, *arguments: str):
    return CliRunner().invoke(command, arguments)


def test_the_printed_link_makes_the_first_admin(visitor: Person):
    printed = run(admin_command, "link").output.strip()

    path = "/first-admin/" + printed.rpartition("/")[2]
    answer = visitor.post(
        path, page=path, data={"email": "ana@office.example", "password": "a long walk in the hills"}
    )

    assert 302 == answer.status_code


def test_with_an_admin_only_an_invitation_prints_a_link(app):
    add_account(app, "ana@office.example", "admin")

    refused = run(admin_command, "link")
    invited = run(admin_command, "link", "--invite", "--role", "viewer", "--json")

    assert isinstance(refused.exception, ConflictError)
    assert "viewer" == json.loads(invited.output)["role"]


def test_the_accounts_are_listed_without_their_passwords(app):
    add_account(app, "ana@office.example", "editor")

    listed = json.loads(run(admin_command, "list", "--json").output)

    assert [("ana@office.example", "editor")] == [(account["email"], account["role"]) for account in listed]
    assert not any("password" in name for name in listed[0])


def test_status_counts_as_the_overview_does(session):
    add_office(session)
    session.commit()

    counted = json.loads(run(status, "--json").output)

    assert (4, 2, 2, 1, 1) == (
        counted["deliveries_today"], counted["event_count"], counted["dead_count"], counted["contact_count"], counted["member_count"],
    )  # fmt: skip
    assert {"worker": True, "web": False} == {beat["kind"]: beat["is_alive"] for beat in counted["processes"]}


def test_status_reads_as_plain_words(session):
    add_office(session)
    session.commit()

    shown = run(status).output

    assert "Dead letters:           2  (muster deadletters)" in shown
    assert "1 subscribed" in shown
    assert "SILENT" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_completion(shell: str):
    printed = run(muster, "completion", shell)

    assert 0 == printed.exit_code
    assert "_MUSTER_COMPLETE" in printed.output
