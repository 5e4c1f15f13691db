"""Leases, settling, later tries, replay, dead letters: on the database's clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.core.errors import InvalidError, NotFoundError
from app.inbox.claim import claim_deliveries, claim_events
from app.inbox.connect import connect
from app.inbox.deadletters import get_dead_letter, list_dead_letters
from app.inbox.events import insert_events, safe_json, store_events
from app.inbox.outlook import count_inbox, oldest_pending_seconds
from app.inbox.replay import Choice, count_replayable, replay, replay_deliveries, replay_events
from app.inbox.settle import (
    Enriched,
    Later,
    LetterError,
    SettledDelivery,
    SettledEvent,
    keep_enriched,
    renew_lease,
    retry_later,
    settle_deliveries,
    settle_events,
)
from app.inbox.store import store_deliveries
from app.lists.models import ListRun
from integrations.kit.contract import Event, Split

BAD = LetterError(
    "not_an_email",
    "The address has no @.",
    "Mend the mapping.",
    path="data.email",
    field="email",
    value="x" * 200,
    stage="map",
)


@pytest.fixture
def deliveries(database_url, make_delivery):
    with connect(database_url) as connection:
        store_deliveries(connection, [make_delivery(f"d{n}") for n in range(3)])


@pytest.fixture
def claimed(session, deliveries):
    return claim_deliveries(session, 10)


def _event(key, **more):
    return Event(key, "signup", {"email": f"{key}@example.test"}, **more)


def test_what_one_holds_nobody_else_gets(session, sessions, deliveries):
    mine = claim_deliveries(session, 2)
    session.commit()
    with sessions() as other:
        theirs = claim_deliveries(other, 10)

    assert [each.key for each in mine + theirs] == ["d0", "d1", "d2"]
    assert mine[0].token != theirs[0].token


@pytest.mark.parametrize("claim", [claim_deliveries, claim_events])
def test_never_more_are_claimed_than_asked_for_however_it_is_planned(session, deliveries, claim):
    """A planner that joins by nested loops would look for the next ones once for each row."""
    held = claim_deliveries(session, 1)[0]
    store_events(session, [(held, Split(tuple(_event(f"e{n}") for n in range(3))))])
    session.execute(text("UPDATE deliveries SET leased_until = NULL"))
    for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "indexscan", "bitmapscan"):
        session.execute(text(f"SET LOCAL enable_{way} = off"))

    assert 2 == len(claim(session, 2))


def test_a_claim_that_is_not_committed_yet_is_skipped_not_waited_for(session, sessions, deliveries):
    claim_deliveries(session, 2)
    with sessions() as other:
        assert [each.key for each in claim_deliveries(other, 10)] == ["d2"]


def test_a_lease_that_ran_out_is_claimed_again_and_the_old_token_settles_nothing(session, deliveries):
    [old] = claim_deliveries(session, 1, lease_seconds=-1)
    session.commit()
    new = next(each for each in claim_deliveries(session, 3) if each.id == old.id)

    late = settle_deliveries(session, [SettledDelivery(old.id, old.token)])
    in_time = settle_deliveries(session, [SettledDelivery(new.id, new.token)])

    assert (late, in_time) == (set(), {old.id})
    assert new.attempt_count == 2


def test_a_lease_can_be_renewed_by_its_holder_only(session, claimed):
    first = claimed[0]

    assert renew_lease(session, "deliveries", first.token, [first.id], 60) == {first.id}
    assert renew_lease(session, "deliveries", uuid4(), [first.id], 60) == set()


def test_a_delivery_splits_into_events_once(session, claimed):
    split = Split((_event("e1"), _event("e2"), _event("e1")))

    assert store_events(session, [(claimed[0], split)]).count == 2
    assert store_events(session, [(claimed[1], split)]).count == 0


def test_nothing_happened_after_it_was_received(session, claimed):
    future = datetime.now(UTC) + timedelta(days=400)
    store_events(
        session,
        [
            (
                claimed[0],
                Split(
                    (
                        _event("e1", occurred_at=future),
                        _event("e2", occurred_at=datetime(2020, 1, 1, tzinfo=UTC)),
                    )
                ),
            )
        ],
    )

    events = {each.key: each for each in claim_events(session, 10)}

    assert events["e1"].occurred_at == claimed[0].received_at
    assert events["e2"].occurred_at == datetime(2020, 1, 1, tzinfo=UTC)


def test_text_that_jsonb_cannot_hold_is_made_safe(session, claimed):
    store_events(session, [(claimed[0], Split((Event("e", "k", {"a\x00": ["b\x00", "\ud800"]}),)))])

    assert claim_events(session, 1)[0].content == {"a\ufffd": ["b\ufffd", "\ufffd"]}


def test_numbers_that_are_no_json_are_refused():
    with pytest.raises(ValueError):
        safe_json({"n": float("nan")})


def test_live_events_go_before_those_of_a_list(session, source_id, claimed):
    run = ListRun(source_id=source_id, file_name="people.csv", file_sha256=bytes(32))
    session.add(run)
    session.flush()
    insert_events(session, source_id, [_event("bulk")], list_run_id=run.id)
    store_events(session, [(claimed[0], Split((_event("live"),)))])

    assert [each.key for each in claim_events(session, 10)] == ["live", "bulk"]


def test_a_later_try_waits_by_the_databases_clock_and_leaves_a_note(session, claimed):
    store_events(session, [(claimed[0], Split((_event("e"),)))])
    [event] = claim_events(session, 1)

    retry_later(session, "events", [Later(event.id, event.token, 3600.0, BAD)])

    assert claim_events(session, 10) == []
    assert session.execute(text("SELECT stage, error->>'value' FROM attempts")).all() == [("map", "x" * 80)]
    session.execute(text("UPDATE events SET next_attempt_at = now()"))
    assert claim_events(session, 10)[0].attempt_count == 2


def test_a_blocked_event_waits_for_its_source_and_loses_no_tries(session, source_id, claimed):
    store_events(session, [(claimed[0], Split((_event("e", needs_enrich=True),)))])
    [event] = claim_events(session, 1)
    retry_later(session, "events", [Later(event.id, event.token, 0.0, BAD, state="blocked")])
    session.execute(text("UPDATE sources SET paused_at = now() WHERE id = :id"), {"id": source_id})

    while_paused = claim_events(session, 1)
    session.execute(text("UPDATE sources SET paused_at = NULL"))
    after = claim_events(session, 1)

    assert (event.state, while_paused, [each.attempt_count for each in after]) == ("waiting_enrich", [], [1])


def test_what_was_fetched_is_kept_and_mapped(session, claimed):
    store_events(session, [(claimed[0], Split((_event("e", needs_enrich=True),)))])
    [event] = claim_events(session, 1)
    keep_enriched(session, [Enriched(event.id, event.token, {"email": "fetched@example.test"})])
    retry_later(session, "events", [Later(event.id, event.token, 0.0, BAD)])

    [again] = claim_events(session, 1)

    assert (again.state, again.to_map) == ("new", {"email": "fetched@example.test"})


@pytest.fixture
def dead(session, claimed):
    """One dead delivery, one dead event, one done event."""
    settle_deliveries(
        session,
        [
            SettledDelivery(
                claimed[0].id,
                claimed[0].token,
                "dead",
                error=LetterError("unreadable", "not JSON", stage="split"),
            )
        ],
    )
    store_events(session, [(claimed[1], Split((_event("bad"), _event("good"))))])
    settle_deliveries(
        session,
        [SettledDelivery(claimed[1].id, claimed[1].token, event_count=2, ignored=(("echo", "our own", 3),))],
    )
    bad, good = claim_events(session, 10)
    settle_events(
        session, [SettledEvent(bad.id, bad.token, "dead", error=BAD), SettledEvent(good.id, good.token)]
    )
    session.commit()
    return bad


def test_dead_letters_of_both_kinds_are_in_one_list(session, dead):
    page = list_dead_letters(session)

    assert {(letter.kind, letter.error.code) for letter in page.letters} == {
        ("delivery", "unreadable"),
        ("event", "not_an_email"),
    }
    assert page.cursor == ""
    assert get_dead_letter(session, f"event:{dead.id}").error.value == "x" * 80
    assert list_dead_letters(session, source="another").letters == ()


def test_dead_letters_come_page_by_page(session, dead):
    first = list_dead_letters(session, limit=1)
    second = list_dead_letters(session, limit=1, cursor=first.cursor)

    assert {first.letters[0].kind, second.letters[0].kind} == {"delivery", "event"}
    assert second.cursor == ""


@pytest.mark.parametrize("name", ["event:999", "delivery:0", "x", "event:1;drop", ""])
def test_a_dead_letter_that_is_not_there_is_named(session, dead, name):
    with pytest.raises(NotFoundError):
        get_dead_letter(session, name)


def test_a_cursor_that_is_not_ours_is_refused(session, dead):
    with pytest.raises(InvalidError):
        list_dead_letters(session, cursor="bm90IG91cnM=")


def test_replaying_everything_dead_puts_it_back_once(session, dead):
    choice = Choice(is_dead=True)
    expected = count_replayable(session, choice)
    first, second = replay(session, choice), replay(session, choice)

    assert expected == first
    assert (first.event_count, first.delivery_count, second.count) == (1, 1, 0)
    assert [each.key for each in claim_events(session, 10)] == ["bad"]


def test_replaying_a_source_takes_its_done_events_too(session, dead):
    assert replay_events(session, source="forms") == 2
    assert replay_events(session, source="another") == 0


def test_replaying_a_delivery_splits_it_again_and_does_its_events_again(session, dead):
    assert replay_deliveries(session, [dead.delivery_id]) == 1
    again = next(each for each in claim_deliveries(session, 10) if each.id == dead.delivery_id)
    assert store_events(session, [(again, Split((_event("bad"), _event("good"))))]).count == 0
    assert len(claim_events(session, 10)) == 2


def test_what_failed_while_it_was_fetched_is_fetched_again(session, claimed):
    store_events(session, [(claimed[0], Split((_event("e", needs_enrich=True),)))])
    [event] = claim_events(session, 1)
    settle_events(
        session,
        [SettledEvent(event.id, event.token, "dead", error=LetterError("gone", "gone", stage="enrich"))],
    )

    replay_events(session, [event.id])

    assert claim_events(session, 1)[0].state == "waiting_enrich"


def test_a_replay_of_nothing_named_is_refused(session):
    with pytest.raises(InvalidError):
        replay(session, Choice())


def test_the_outlook_counts_what_waits_and_what_was_given_up(session, dead):
    session.execute(
        text("UPDATE deliveries SET received_at = now() - interval '90 seconds' WHERE settled_at IS NULL")
    )
    counts = count_inbox(session)

    assert (counts.delivery_pending, counts.delivery_dead, counts.event_pending, counts.event_dead) == (
        1,
        1,
        0,
        1,
    )
    assert 90 <= oldest_pending_seconds(session) < 100


def test_whoever_stores_events_holds_them_as_a_claim_would_read_them(session, claimed):
    content = {"b": 1e22, "a\x00": ["\ud800", {"x": None}], "long": "y" * 9}
    stored = store_events(session, [(claimed[0], Split((Event("e\x00", "k", content),)))], hold_limit=10)

    assert claim_events(session, 10) == []
    session.execute(text("UPDATE events SET leased_until = now() - interval '1 second'"))
    [again] = claim_events(session, 10)
    assert stored.held == (replace(again, token=stored.held[0].token, attempt_count=1, is_new=True),)
    assert again.attempt_count == 2


def test_only_so_many_whole_events_are_held_and_the_rest_is_for_anybody(session, claimed):
    events = (_event("thin", needs_enrich=True), _event("a"), _event("b"), _event("c"))
    stored = store_events(session, [(claimed[0], Split(events))], hold_limit=2)

    assert ["a", "b"] == [event.key for event in stored.held]
    assert 4 == stored.count
    assert {"thin", "c"} == {event.key for event in claim_events(session, 10)}


def test_an_event_that_is_there_already_is_nobodys_to_hold(session, claimed):
    store_events(session, [(claimed[0], Split((_event("a"),)))])

    stored = store_events(session, [(claimed[1], Split((_event("a"), _event("b"))))], hold_limit=10)

    assert ["b"] == [event.key for event in stored.held]
