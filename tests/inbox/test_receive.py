"""The writer: groups, duplicates, conflicts, windows, trouble."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import text

from app.core.errors import BusyError
from app.inbox import receive
from app.inbox.connect import connect
from app.inbox.receive import Inbox
from app.inbox.received import Outcome
from app.inbox.store import count_rejections, store_deliveries
from app.inbox.tally import RejectionTally

NEW, DUPLICATE, CONFLICT = Outcome.NEW, Outcome.DUPLICATE, Outcome.CONFLICT
WEEK = 7 * 24 * 3600


@pytest.fixture
def connection(database_url, sessions):
    with connect(database_url) as connection:
        yield connection


def test_a_group_says_of_each_what_became_of_it(connection, make_delivery, session):
    first = store_deliveries(connection, [make_delivery("a"), make_delivery("b")])
    second = store_deliveries(
        connection,
        [
            make_delivery("a"),
            make_delivery("b", b"other"),
            make_delivery("c"),
            make_delivery("c"),
            make_delivery("c", b"other"),
        ],
    )

    assert first == [NEW, NEW]
    assert second == [DUPLICATE, CONFLICT, NEW, DUPLICATE, CONFLICT]
    assert session.execute(
        text("SELECT key, convert_from(body, 'UTF8') FROM deliveries ORDER BY key")
    ).all() == [("a", "{}"), ("b", "{}"), ("c", "{}")]
    assert session.execute(
        text("SELECT key, convert_from(body, 'UTF8') FROM delivery_conflicts ORDER BY key")
    ).all() == [("b", "other"), ("c", "other")]


def test_a_conflict_is_kept_once_however_often_it_comes(connection, make_delivery, session):
    store_deliveries(connection, [make_delivery("a")])
    for _ in range(3):
        store_deliveries(connection, [make_delivery("a", b"other")])

    assert session.scalar(text("SELECT count(*) FROM delivery_conflicts")) == 1


@pytest.mark.parametrize(("second_at", "expected"), [(599.0, DUPLICATE), (601.0, DUPLICATE), (WEEK, NEW)])
def test_inside_its_window_a_key_is_one_delivery(connection, make_delivery, second_at, expected):
    # Both arrive now by the database's clock; the buckets are those of the times given.
    store_deliveries(connection, [make_delivery("form", window=600, at=598.0)])

    assert [expected] == store_deliveries(connection, [make_delivery("form", window=600, at=second_at)])


def test_just_over_the_edge_but_long_ago_is_a_new_delivery(connection, make_delivery, session):
    store_deliveries(connection, [make_delivery("form", window=600, at=1.0)])
    session.execute(text("UPDATE deliveries SET received_at = now() - interval '11 minutes'"))
    session.commit()

    assert store_deliveries(connection, [make_delivery("form", window=600, at=601.0)]) == [NEW]


def test_both_sides_of_a_windows_edge_in_one_group_are_one_delivery(connection, make_delivery):
    group = [make_delivery("form", window=600, at=at) for at in (599.9, 600.1)]

    assert store_deliveries(connection, group) == [NEW, DUPLICATE]


def test_both_sides_of_a_windows_edge_at_once_are_one_delivery(
    database_url, sessions, make_delivery, session
):
    def store(at):
        with connect(database_url) as connection:
            return store_deliveries(connection, [make_delivery("form", window=600, at=at)])[0]

    for _ in range(10):
        session.execute(text("TRUNCATE deliveries CASCADE"))
        session.commit()
        with ThreadPoolExecutor(2) as threads:
            outcomes = set(threads.map(store, (599.9, 600.1)))
        assert outcomes == {NEW, DUPLICATE}


def test_two_processes_that_store_the_same_keys_do_not_dead_lock(
    database_url, sessions, make_delivery, session
):
    def store(order):
        with connect(database_url) as connection:
            return [store_deliveries(connection, [make_delivery(f"{n}") for n in order]) for _ in range(20)]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(store, [range(100), range(99, -1, -1), range(50, 150), range(100)]))

    assert session.scalar(text("SELECT count(*) FROM deliveries")) == 150


def test_threads_and_coroutines_get_their_answers(inbox, make_delivery, rung):
    async def put_many():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(inbox.put_from_loop(make_delivery(f"l{n}"), loop) for n in range(300)))

    from_loop = asyncio.run(put_many())
    from_threads = [inbox.put(make_delivery(f"t{n}")).result(5) for n in range(20)]

    assert set(from_loop) == set(from_threads) == {NEW}
    assert rung


def test_a_duplicate_rings_no_bell(inbox, make_delivery, rung):
    inbox.put(make_delivery("a")).result(5)
    rung.clear()

    assert inbox.put(make_delivery("a")).result(5) is DUPLICATE
    assert rung == []


def test_one_delivery_that_cannot_be_stored_does_not_hold_up_its_group(inbox, make_delivery):
    good = [inbox.put(make_delivery(f"g{n}")) for n in range(5)]
    bad = inbox.put(make_delivery("bad", source=999_999))
    more = [inbox.put(make_delivery(f"h{n}")) for n in range(5)]

    assert {future.result(5) for future in good + more} == {NEW}
    with pytest.raises(BusyError):
        bad.result(5)


def test_a_connection_that_was_killed_is_replaced_unseen(inbox, make_delivery, session):
    inbox.put(make_delivery("a")).result(5)
    session.execute(
        text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'muster inbox'")
    )

    assert inbox.put(make_delivery("b")).result(5) is NEW


def test_behind_a_proxy_that_forgets_prepared_statements_the_writer_goes_on_without(inbox, make_delivery):
    for number in range(5):
        inbox.put(make_delivery(f"before{number}")).result(5)
    inbox._connection.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")

    outcomes = {inbox.put(make_delivery(f"after{number}")).result(5) for number in range(5)}

    assert outcomes == {NEW}
    assert not inbox._may_prepare


def test_more_than_can_wait_is_refused_at_once(inbox, make_delivery, monkeypatch):
    monkeypatch.setattr(receive, "WAITING_BYTES", 10)

    with pytest.raises(BusyError):
        inbox.put(make_delivery("a", b"x" * 11))


def test_without_a_database_everybody_is_told_at_once(tmp_path, make_delivery):
    inbox = Inbox(f"postgresql:///muster?host={tmp_path}", lambda: None)
    inbox.open()
    try:
        with pytest.raises(BusyError):
            inbox.put(make_delivery("a")).result(5)
    finally:
        inbox.close()


def test_a_database_that_forgets_is_not_written_to(database_url, engine, sessions, make_delivery):
    with engine.begin() as admin:
        admin.execute(text("ALTER ROLE muster SET synchronous_commit = off"))
    inbox = Inbox(database_url, lambda: None)
    inbox.open()
    try:
        with pytest.raises(BusyError):
            inbox.put(make_delivery("a")).result(5)
    finally:
        inbox.close()
        with engine.begin() as admin:
            admin.execute(text("ALTER ROLE muster RESET synchronous_commit"))


def test_what_waits_at_the_end_is_still_written(database_url, sessions, make_delivery, session):
    inbox = Inbox(database_url, lambda: None)
    inbox.open()
    futures = [inbox.put(make_delivery(f"{n}")) for n in range(500)]
    inbox.rejections.count(make_delivery().source_id, "signature does not match", b"{}")
    inbox.close()

    assert {future.result(0) for future in futures} == {NEW}
    assert session.execute(text("SELECT reason, count FROM rejections")).all() == [
        ("signature does not match", 1)
    ]


def test_rejections_are_added_up_by_day_and_reason(connection, source_id, session):
    tally = RejectionTally()
    for _ in range(2):
        for _ in range(3):
            tally.count(source_id, "one", b"x")
        tally.count(source_id, "two")
        count_rejections(connection, tally.take())

    assert session.execute(text("SELECT reason, count FROM rejections ORDER BY reason")).all() == [
        ("one", 6),
        ("two", 2),
    ]
    assert tally.take() == []


def test_the_connection_of_the_writer_is_in_autocommit(connection):
    assert connection.autocommit
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
