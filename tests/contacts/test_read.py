import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.cli.contacts import contacts
from app.contacts.merge import merge
from app.contacts.read import find_contacts, get_contact_view, list_timeline
from app.contacts.views import FieldView
from app.core.config import Settings
from app.core.errors import NotFoundError
from app.core.runtime import Runtime
from app.core.secretbox import SecretBox
from mappings.language.fields import FieldDictionary
from tests.contacts.conftest import NOON, Door, gave, make_patch, withdrew

Run = Callable[..., Result]


@pytest.fixture
def committed(sessions: sessionmaker[Session], box: SecretBox, dictionary: FieldDictionary) -> Iterator[Door]:
    """A door whose work other connections see."""
    with sessions() as session:
        source_id = session.scalars(
            text("INSERT INTO sources (slug, integration) VALUES ('form', 'website') RETURNING id")
        ).one()
        yield Door(session, box, dictionary, source_id)


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    runtime = Runtime(settings)
    monkeypatch.setattr("app.cli.contacts.open_runtime", lambda: runtime)

    def invoke(*arguments: object, answer: str = "") -> Result:
        return CliRunner().invoke(contacts, [str(one) for one in arguments], input=answer)

    yield invoke
    runtime.engine.dispose()


@pytest.mark.parametrize(
    "query",
    ["eva.moor@example.org", "EVA.moor@Example.org", "+44 20 8765 4321", "m1", "moor", "eva moor", "1", "#1"],
)
def test_people_are_found_by_what_is_known_of_them(door: Door, query: str) -> None:
    eva = door.add(
        make_patch(
            "eva.moor@example.org",
            phone="+442087654321",
            ids={"member": "m1"},
            first_name="Eva",
            last_name="Moor",
        )
    )
    door.add(make_patch("ben@example.org", first_name="Ben", last_name="Lenz"))

    assert [eva] == [line.id for line in find_contacts(door.session, query).contacts]


@pytest.mark.parametrize("query", ["%", "_", "nobody", "'; DROP TABLE contacts; --", "\\"])
def test_what_is_not_there_is_not_found(door: Door, query: str) -> None:
    door.add(make_patch("eva@example.org", first_name="Eva"))

    assert () == find_contacts(door.session, query).contacts


def test_findings_come_in_pages(door: Door) -> None:
    ids = [door.add(make_patch(f"p{number}@example.org", last_name="Moor")) for number in range(5)]

    first = find_contacts(door.session, "moor", limit=3)
    second = find_contacts(door.session, "moor", limit=3, cursor=first.cursor)

    assert ids[::-1] == [line.id for page in (first, second) for line in page.contacts]
    assert second.cursor is None


def test_a_view_says_where_each_value_comes_from(door: Door) -> None:
    arrival = door.arrival(make_patch("eva@example.org", consents=(gave(wording="join-2026"),)))
    resolved, _ = door.bring(arrival)

    view = get_contact_view(door.session, resolved[0].contact_id or 0)

    (email,) = view.fields
    assert ("email", "eva@example.org", "form", arrival.event_id, NOON) == (
        email.name, email.value, email.source, email.event_id, email.occurred_at,
    )  # fmt: skip
    assert [("email", "newsletter", "given", "claimed")] == [
        (c.channel, c.purpose, c.status, c.proof) for c in view.consents
    ]
    assert ["join-2026"] == [line.wording for line in view.evidence]
    assert {"consent", "event"} == {line.kind for line in view.timeline}


def test_a_value_comes_from_who_brought_it_also_when_others_repeat_it(door: Door) -> None:
    first = door.arrival(make_patch("eva@example.org", last_name="López"))
    door.bring(first)
    door.source_id = door.session.scalars(
        text("INSERT INTO sources (slug, integration) VALUES ('mailchimp', 'mailchimp') RETURNING id")
    ).one()
    later = door.arrival(make_patch("eva@example.org", first_name="Eva", last_name="LOPEZ"), minutes=5)
    contact_id = door.bring(later)[0][0].contact_id or 0

    found = {one.name: one for one in get_contact_view(door.session, contact_id).fields}

    again = ("form", first.event_id, NOON, "mailchimp", later.event_id, True)
    assert [again, again] == [_whence(found[name]) for name in ("email", "last_name")]
    assert ("mailchimp", later.event_id, "mailchimp", False) == (
        found["first_name"].first_source, found["first_name"].first_event_id,
        found["first_name"].source, found["first_name"].is_said_again,
    )  # fmt: skip


def _whence(one: FieldView) -> tuple[Any, ...]:
    return (
        one.first_source,
        one.first_event_id,
        one.first_at,
        one.source,
        one.event_id,
        one.is_said_again,
    )


def test_a_claim_after_an_opt_out_says_that_it_does_not_count(door: Door) -> None:
    door.add(make_patch("eva@example.org", consents=(gave(),)))
    door.add(make_patch("eva@example.org", consents=(withdrew(),)), minutes=1)
    contact_id = door.add(make_patch("eva@example.org", consents=(gave(),)), minutes=2)

    view = get_contact_view(door.session, contact_id)

    aside = "does not count: they opted out on 1 Mar 2026; only their own confirmation does"
    told = [(line.summary, line.aside) for line in view.timeline if line.kind == "consent"]
    given, out = "Consent given: email, newsletter (claimed)", "Opted out: email, everything (claimed)"
    assert [(given, aside), (out, ""), (given, "")] == told
    assert [("given", aside), ("withdrawn", ""), ("given", "")] == [
        (line.verdict, line.aside) for line in view.evidence
    ]


def test_what_others_at_the_address_refused_is_said_beside_a_claim(door: Door) -> None:
    door.add(make_patch("home@example.org", first_name="Ben", consents=(withdrew(),)))
    eva = door.add(make_patch("home@example.org", first_name="Eva", consents=(gave(),)), minutes=1)

    (line,) = [one for one in get_contact_view(door.session, eva).timeline if one.kind == "consent"]

    assert "somebody at the same address opted out" in line.aside


def test_a_member_line_says_why(door: Door) -> None:
    contact_id = door.add(make_patch("eva@example.org"))
    door.session.execute(
        text(
            "INSERT INTO timeline_entries (contact_id, occurred_at, kind, summary, detail) VALUES (:id, now(),"
            """ 'member', 'Mailchimp: archived in news', '{"reason": "was erased"}')"""
        ),
        {"id": contact_id},
    )

    asides = {line.summary: line.aside for line in get_contact_view(door.session, contact_id).timeline}

    assert {"Mailchimp: archived in news": "was erased", "Arrived": ""} == asides


def test_a_merged_contact_shows_as_the_one_it_became(door: Door) -> None:
    winner, loser = (door.add(make_patch(f"{name}@example.org")) for name in "ab")
    merge(door.session, winner, loser, "test", "admin", dictionary=door.dictionary)

    view = get_contact_view(door.session, loser)

    assert (winner, [(winner, loser)]) == (view.id, [(one.winner_id, one.loser_id) for one in view.merges])
    assert [winner] == [line.id for line in find_contacts(door.session, "b@example.org").contacts]


def test_a_history_comes_in_pages_without_gaps(door: Door) -> None:
    for minutes in range(7):
        contact_id = door.add(make_patch("eva@example.org"), minutes=minutes // 3)

    first = list_timeline(door.session, contact_id, limit=4)
    second = list_timeline(door.session, contact_id, limit=4, before=first[-1])

    assert 7 == len({line.id for line in (*first, *second)})


def test_nobody_has_no_view(door: Door) -> None:
    with pytest.raises(NotFoundError, match="no contact 9"):
        get_contact_view(door.session, 9)


def test_a_timeline_carries_no_personal_data(door: Door) -> None:
    door.add(
        make_patch("eva@example.org", phone="+442087654321", first_name="Evarella", consents=(withdrew(),))
    )

    told = json.dumps(door.rows("SELECT summary, detail FROM timeline_entries"))

    assert not [word for word in ("eva@", "+4420", "Evarella") if word in told]


def test_find_prints_json_and_tables(committed: Door, run: Run) -> None:
    contact_id = committed.add(make_patch("eva@example.org", first_name="Eva", tags_added=("alumni",)))
    committed.session.commit()

    found = json.loads(run("find", "eva@example.org", "--json").stdout)

    assert [(contact_id, {"email": "eva@example.org", "first_name": "Eva"}, ["alumni"])] == [
        (one["id"], one["fields"], one["tags"]) for one in found
    ]
    assert "eva@example.org" in run("find", "Eva").stdout
    assert "Nobody found." in run("find", "nobody").stdout


def test_show_and_export_hold_everything(committed: Door, run: Run) -> None:
    event_id = committed.event(NOON, '{"canary": "c4n4ry"}')
    contact_id = committed.add(make_patch("eva@example.org", consents=(gave(),)), event_id=event_id)
    committed.session.execute(
        text(
            "INSERT INTO destinations (slug, base_url, sealed_key) VALUES ('d', 'http://mailchimp.test', '')"
        )
    )
    committed.session.execute(
        text("INSERT INTO audiences (slug, destination_id, list_id) VALUES ('news', 1, 'l')")
    )
    committed.session.execute(
        text(
            "INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash, status) VALUES (1, :id, 'eva@example.org', 'h', 'subscribed')"
        ),
        {"id": contact_id},
    )
    committed.session.commit()

    shown = json.loads(run("show", contact_id, "--json").stdout)
    exported = json.loads(run("export", contact_id).stdout)

    assert [("news", "subscribed")] == [(one["audience"], one["status"]) for one in shown["memberships"]]
    assert [("email", "given")] == [(one["channel"], one["status"]) for one in shown["consents"]]
    assert {"canary": "c4n4ry"} == exported["events"][0]["content"]
    assert {"patches", "deliveries", "memberships", "evidence", "timeline", "identities"} <= set(exported)
    assert "newsletter" in run("show", contact_id).stdout


def test_erase_asks_first_and_then_erases(committed: Door, run: Run) -> None:
    contact_id = committed.add(make_patch("eva@example.org"))
    committed.session.commit()

    refused = run("erase", contact_id, answer="n\n")
    kept = json.loads(run("find", "eva@example.org", "--json").stdout)
    erased = json.loads(run("erase", contact_id, "--yes", "--json").stdout)

    assert (1, 1) == (refused.exit_code, len(kept))
    assert [contact_id] == erased["contact_ids"]
    assert [] == json.loads(run("find", "eva@example.org", "--json").stdout)


def test_merge_and_unmerge_by_command(committed: Door, run: Run) -> None:
    winner, loser = (committed.add(make_patch(f"{name}@example.org")) for name in "ab")
    committed.session.commit()

    merged = json.loads(run("merge", winner, loser, "--json").stdout)
    inside = json.loads(run("find", "--json").stdout)
    run("unmerge", merged["merge_id"])

    assert [winner] == [one["id"] for one in inside]
    assert [loser, winner] == [one["id"] for one in json.loads(run("find", "--json").stdout)]
