"""What the commands of lists, contacts, sources and audiences promise besides their answers."""

import json
import stat

import pytest
from sqlalchemy import select, text

from app.core.models import AuditEntry
from app.lists.models import ListRun

SHEET = (
    "First name,Last name,Email,Newsletter\nBo,Karlsson,bo@alumni.example,yes\nCy,Diaz,not-an-address,yes\n"
)


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "alumni.csv"
    path.write_text(SHEET)
    return path


def audited(sessions, action):
    with sessions() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


def test_a_dry_run_says_that_no_contact_was_written_and_keeps_its_report_private(call, sessions, sheet):
    ended = call("lists", "run", str(sheet), "--dry-run")

    report = sheet.with_suffix(".invalid.csv")
    assert 0 == ended.code
    assert "No contact was written (dry run)." in ended.out
    assert str(report) in ended.out.replace("\n", "")
    assert 0o600 == stat.S_IMODE(report.stat().st_mode)
    assert [] == audited(sessions, "list.run")


def test_a_list_that_is_run_again_says_that_there_is_nothing_to_write(call, sessions, sheet):
    said = [call("lists", "run", str(sheet)).out.splitlines()[-1] for _ in range(2)]

    assert ["Written. Contacts changed: 1.", "Nothing to write: no row joined or changed."] == said


def test_a_report_that_stood_open_to_others_is_closed(call, sessions, sheet, tmp_path):
    report = tmp_path / "open.csv"
    report.touch(0o644)

    answer = json.loads(call("lists", "run", str(sheet), "--report", str(report), "--json").out)

    assert str(report) == answer["report"]
    assert 0o600 == stat.S_IMODE(report.stat().st_mode)


def test_a_report_that_cannot_be_written_ends_with_74_and_the_run_as_failed(call, sessions, sheet):
    ended = call("lists", "run", str(sheet), "--report", "/nonexistent/x.csv")

    assert 74 == ended.code
    assert "/nonexistent/x.csv" in ended.err
    with sessions() as session:
        assert ["failed"] == list(session.scalars(select(ListRun.state)))


def test_a_report_over_the_list_itself_is_refused(call, sessions, sheet):
    ended = call("lists", "run", str(sheet), "--report", str(sheet))

    assert 64 == ended.code
    assert SHEET == sheet.read_text()


def test_a_list_name_that_is_no_slug_is_refused_before_the_database_is_asked(call, sheet, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")

    ended = call("lists", "run", str(sheet), "--list", "Bad Slug!")

    assert (65, True) == (ended.code, "'Bad Slug!' cannot be a slug." in ended.err)


def test_a_list_run_is_audited_with_its_counts(call, sessions, sheet):
    call("lists", "run", str(sheet), "--list", "alumni")

    (entry,) = audited(sessions, "list.run")
    assert ("command line", "source:alumni") == (entry.actor, entry.subject)
    assert (2, 1, 1) == tuple(entry.after[name] for name in ("read", "joiners", "invalid"))


def test_a_list_is_shown_as_a_source_without_a_hook(call, sessions, sheet):
    call("lists", "run", str(sheet), "--list", "alumni")

    shown = json.loads(call("sources", "show", "alumni", "--json").out)

    assert ("list", "", 1, []) == tuple(
        shown[name] for name in ("integration", "hook_url", "mapping_version", "known_settings")
    )
    assert "trust" in call("sources", "show", "alumni").out


@pytest.mark.parametrize("words", [("rotate", "alumni"), ("set", "alumni", "url_key=x")])
def test_a_list_has_no_secrets(call, sessions, sheet, words):
    call("lists", "run", str(sheet), "--list", "alumni")

    ended = call("sources", *words)

    assert 65 == ended.code
    assert "is a list" in ended.err
    assert "no secrets" in ended.err


def test_a_list_may_be_trusted_more(call, sessions, sheet):
    call("lists", "run", str(sheet), "--list", "alumni")

    assert 0 == call("sources", "set", "alumni", "trust=80").code
    assert 65 == call("sources", "set", "alumni", "trust=101").code
    assert 80 == json.loads(call("sources", "show", "alumni", "--json").out)["trust"]


def test_only_secrets_that_are_not_shown_again_are_said_to_be_shown_once(call, sessions):
    form = call("sources", "add", "website", "form").out
    webhook = call("sources", "add", "standard_webhooks", "app").out

    assert "shown this once" not in form
    assert "shown this once" in webhook


@pytest.mark.parametrize(
    ("integration", "pair"),
    [
        ("website", "thank_you_url=javascript:alert(1)"),
        ("website", "allowed_origins=nowhere"),
        ("standard_webhooks", "secret=whsec_c2hvcnQ="),
        ("meta_leads", "graph_version=five"),
    ],
)
def test_a_setting_that_the_integration_cannot_use_is_refused(call, sessions, integration, pair):
    needed = ("--set", "app_secret=0123456789abcdef") if integration == "meta_leads" else ()
    added = call("sources", "add", integration, "first", "--set", pair, *needed, "--json")
    call("sources", "add", integration, "second", *needed)
    changed = call("sources", "set", "second", pair)

    assert (65, 65) == (added.code, changed.code)
    assert pair.split("=")[0] == json.loads(added.err)["problems"][0]["path"]


def test_a_secret_that_is_too_short_cannot_be_rotated_in(call, sessions):
    call("sources", "add", "standard_webhooks", "app")

    assert 65 == call("sources", "rotate", "app", "--value", "whsec_c2hvcnQ=").code


def test_a_token_may_come_later_and_doctor_says_so(call, sessions):
    assert 0 == call("sources", "add", "meta_leads", "meta", "--set", "app_secret=0123456789abcdef").code

    findings = json.loads(call("doctor", "--json").out)["findings"]

    found = [one for one in findings if one["subject"] == "source meta"]
    assert ["fail"] == [one["level"] for one in found]
    assert "Page access token is not set" in found[0]["sentence"]


def test_doctor_reports_a_setting_that_was_stored_before_it_was_checked(call, sessions):
    call("sources", "add", "website", "form")
    with sessions.begin() as session:
        session.execute(text('UPDATE sources SET settings = \'{"thank_you_url": "javascript:alert(1)"}\''))

    ended = call("doctor", "--json")

    assert 1 == ended.code
    assert any("Thank-you page" in one["sentence"] for one in json.loads(ended.out)["findings"])


def test_merge_unmerge_and_erase_are_audited_with_ids_alone(call, sessions, tmp_path):
    path = tmp_path / "two.csv"
    path.write_text("First name,Email\nBo,bo@alumni.example\nCy,cy@alumni.example\n")
    call("lists", "run", str(path))

    merged = json.loads(
        call("contacts", "merge", "1", "2", "--reason", "cy@alumni.example is Bo", "--json").out
    )
    call("contacts", "unmerge", str(merged["merge_id"]))
    call("contacts", "erase", "2", "--yes", "--reason", "Cy asked")

    kinds = ("contact.merge", "contact.unmerge", "contact.erase")
    entries = [entry for kind in kinds for entry in audited(sessions, kind)]
    assert [(kind, "command line") for kind in kinds] == [(one.action, one.actor) for one in entries]
    assert ["contact:1", "contact:1", "contact:2"] == [one.subject for one in entries]
    assert [
        {"loser_id": 2, "merge_id": 1},
        {"loser_id": 2, "merge_id": 1},
        {"contact_ids": [2]},
    ] == [one.after for one in entries]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("sync", "--json"), {"push": [], "pull": []}),
        (("sync", "push", "--json"), []),
        (("sync", "--json", "push"), []),
        (("sync", "pull", "--json"), []),
    ],
)
def test_sync_answers_in_json_wherever_the_word_stands(call, sessions, words, expected):
    ended = call(*words)

    assert (0, expected) == (ended.code, json.loads(ended.out))


def test_who_stands_for_an_address_is_chosen_and_audited(call, sessions):
    with sessions() as session:
        session.execute(
            text(
                """INSERT INTO contacts (fields) SELECT '{"email": "home@alumni.example"}' FROM generate_series(1, 2)"""
            )
        )
        session.execute(
            text(
                "INSERT INTO identities (kind, match_value, given_value, contact_id)"
                " SELECT 'email', 'home@alumni.example', 'home@alumni.example', id FROM contacts"
            )
        )
        session.commit()

    chosen = call("contacts", "speak", "2")
    alone = call("contacts", "speak", "3")

    assert (0, "Contact 2 stands for the address of 2 people now.") == (chosen.code, chosen.out.strip())
    assert "There is no contact 3." in alone.err
    assert [{"contact_ids": [1, 2]}] == [one.after for one in audited(sessions, "contact.speak")]
    with sessions() as session:
        assert [(1, False), (2, True)] == [
            tuple(row) for row in session.execute(text("SELECT id, is_speaker FROM contacts ORDER BY id"))
        ]
