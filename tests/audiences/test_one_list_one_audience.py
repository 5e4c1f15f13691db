"""One Mailchimp audience is kept by one audience here, through whichever destination of its account."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.alerts import list_alerts
from app.audiences.configure import AudienceWish, add_audience, connect_audience
from app.audiences.connect import Connections
from app.audiences.gate import is_open
from app.audiences.live import LiveAudience
from app.audiences.models import Audience, Destination
from app.audiences.whose import keep_account
from app.cli.doctor import examine
from app.core.db import transaction
from app.core.errors import ConflictError
from app.core.runtime import Runtime

LIST_ID = "a1b2c3d4e5"


@pytest.fixture
def read_rows(sessions: sessionmaker[Session]) -> Callable[[str], list[Any]]:
    def read(query: str) -> list[Any]:
        with sessions() as session:
            return [tuple(row) for row in session.connection().exec_driver_sql(query)]

    return read


def live() -> LiveAudience:
    return LiveAudience(LIST_ID, "Friends", "")


def add_twice(sessions: sessionmaker[Session], *destinations: Destination) -> list[str]:
    """One list in two audiences, as they were added before anybody knew; their slugs."""
    slugs = ["newsletter", "second"]
    with transaction(sessions) as session:
        for slug, one in zip(slugs, destinations, strict=True):
            session.add(Audience(slug=slug, destination_id=one.id, list_id=LIST_ID))
            session.flush()
    return slugs


def test_a_list_is_refused_that_an_audience_has_through_another_destination(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any
) -> None:
    settings, college = accesses()
    first = connect_audience(sessions, connections, settings, AudienceWish("newsletter", LIST_ID))

    with pytest.raises(ConflictError, match="'newsletter' keeps a1b2c3d4e5") as refused:
        connect_audience(sessions, connections, college, AudienceWish("second", LIST_ID))

    assert "`muster audiences set newsletter`" in refused.value.hint
    with sessions() as session:
        assert [one.id for one in session.scalars(select(Audience))] == [first.id]


def test_it_is_refused_too_where_nobody_had_read_whose_the_first_one_is(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any
) -> None:
    settings, college = accesses()
    with transaction(sessions) as session:
        session.add(Audience(slug="newsletter", destination_id=settings.id, list_id=LIST_ID))

    with pytest.raises(ConflictError, match="destination mailchimp"):
        connect_audience(sessions, connections, college, AudienceWish("second", LIST_ID))


def test_of_two_who_add_one_list_at_once_one_is_refused(
    sessions: sessionmaker[Session], known_accesses: Any
) -> None:
    settings, college = known_accesses()
    refused: list[Exception] = []

    def add_second() -> None:
        try:
            with transaction(sessions) as session:
                add_audience(session, college, live(), AudienceWish("second", LIST_ID, merge_fields={}))
        except ConflictError as error:
            refused.append(error)

    with transaction(sessions) as session:
        add_audience(session, settings, live(), AudienceWish("newsletter", LIST_ID, merge_fields={}))
        other = threading.Thread(target=add_second)
        other.start()
        other.join(0.3)
        was_waiting = other.is_alive()
    other.join(10)

    assert (was_waiting, len(refused)) == (True, 1)


def test_other_accounts_may_have_a_list_of_the_same_id(
    sessions: sessionmaker[Session], known_accesses: Any
) -> None:
    settings, college = known_accesses()
    with transaction(sessions) as session:
        session.get_one(Destination, college.id).account = {"account_id": "another"}
        add_audience(session, settings, live(), AudienceWish("newsletter", LIST_ID, merge_fields={}))

        second = add_audience(session, college, live(), AudienceWish("second", LIST_ID, merge_fields={}))

        assert second.slug == "second"
        assert "same_list" not in [one.code for one in list_alerts(session)]


def test_a_list_that_turns_out_to_be_kept_twice_is_one_alert_that_names_both(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any, simulator: Any
) -> None:
    def told() -> list[tuple[str, str, str]]:
        with sessions() as session:
            return [
                (one.level, one.slug, one.reason)
                for one in list_alerts(session)
                if one.code == "same_list" and f"audiences set {one.slug} is_enabled=no" in one.next_step
            ]

    settings, college = accesses()
    first, second = add_twice(sessions, settings, college)
    assert told() == []

    for _ in range(2):
        assert is_open(sessions, connections, settings.id)

    ((level, slug, reason),) = told()
    assert (level, slug) == ("notice", second)
    assert reason.startswith(first)
    with transaction(sessions) as session:
        session.scalars(select(Audience).where(Audience.slug == first)).one().is_enabled = False
    assert told() == []


def test_the_doctor_names_both(runtime: Runtime, known_accesses: Any) -> None:
    first, second = add_twice(runtime.sessions, *known_accesses())

    found = [one for one in examine(runtime) if f"{first} keeps the same" in one.sentence]

    assert [(one.level, one.subject) for one in found] == [("warn", f"audience {second}")]
    assert second in found[0].next_step


def test_it_is_said_once_in_the_history_of_failures(
    sessions: sessionmaker[Session], connections: Connections, accesses: Any, read_rows: Any
) -> None:
    add_twice(sessions, *accesses())

    for _ in range(2):
        assert all(is_open(sessions, connections, one.id) for one in accesses())
        for one in accesses():
            keep_account(sessions, one, connections.gateway(one).get_root())

    assert read_rows("SELECT error ->> 'code' FROM attempts") == [("same_list",)]


def test_connecting_again_tells_it_too(
    sessions: sessionmaker[Session], connect_college: Callable[[], None], known_accesses: Any, read_rows: Any
) -> None:
    add_twice(sessions, *known_accesses())
    with transaction(sessions) as session:
        session.get_one(Destination, known_accesses()[1].id).account = {}

    connect_college()

    assert read_rows("SELECT error ->> 'code' FROM attempts") == [("same_list",)]
