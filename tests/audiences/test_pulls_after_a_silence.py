"""After a silence (a pause, a revoked key) Mailchimp is read before it is written to."""

from typing import Any

import pytest

from app.audiences.load import LONG_AGO
from app.audiences.silence import pull_after_silence
from app.jobs import sync

ADA = "ada@house.test"


@pytest.fixture
def edited_there(office: Any, simulator: Any) -> int:
    """A member whose last name staff changed an hour ago; ours was changed before that, and has waited since."""
    office.put(merge_fields={"LNAME": {"from": "last_name", "direction": "newest"}})
    ada = int(office.add(ADA, last_name="Byron"))
    office.push()
    office.pull()
    office.execute("UPDATE audiences SET pulled_until = now() - interval '20 minutes'")
    office.change(ada, at="2026-01-01T00:00:00+00:00", last_name="Lovelace")
    simulator.later()
    simulator.staff("edit", ADA, merge_fields={"LNAME": "King"})
    return ada


def pull_runs(office: Any) -> list[str]:
    return [state for (state,) in office.execute("SELECT state FROM sync_runs WHERE kind = 'pull'")]


def test_the_newer_edit_there_is_read_before_the_older_change_here_is_written(
    office: Any, simulator: Any, edited_there: int
) -> None:
    assert pull_after_silence(office.sessions, office.connections, office.audience_id)
    office.push()

    assert ("King", "King") == (
        office.fields(edited_there)["last_name"],
        simulator.member(ADA).merge_fields["LNAME"],
    )
    assert ["done"] == pull_runs(office)
    assert not pull_after_silence(office.sessions, office.connections, office.audience_id)


@pytest.mark.usefixtures("runtime")
def test_the_worker_reads_first_too(
    office: Any, simulator: Any, edited_there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "get_connections", lambda: office.connections)

    sync.push_audience(office.audience_id)

    assert simulator.member(ADA).merge_fields["LNAME"] == "King"
    assert ["done"] == pull_runs(office)


@pytest.mark.parametrize(
    "state",
    [
        "pulled_until = NULL",
        "pulled_until = now() - interval '14 minutes'",
        f"pulled_until = '{LONG_AGO}'",
        "pulled_until = now() - interval '1 day', paused_at = now(), paused_code = 'by_admin'",
    ],
)
def test_otherwise_a_push_reads_nothing(office: Any, state: str) -> None:
    office.execute(f"UPDATE audiences SET {state}")

    assert not pull_after_silence(office.sessions, office.connections, office.audience_id)
    assert [] == pull_runs(office)


def test_a_pull_that_an_admin_cancelled_is_not_begun_again_by_a_push(office: Any) -> None:
    office.execute("UPDATE audiences SET pulled_until = now() - interval '1 day'")
    office.execute(
        "INSERT INTO sync_runs (audience_id, kind, state, finished_at) SELECT id, 'pull', 'cancelled', now() FROM audiences"
    )

    assert not pull_after_silence(office.sessions, office.connections, office.audience_id)


def test_a_pull_that_fails_holds_up_no_push(office: Any, simulator: Any, edited_there: int) -> None:
    simulator.fault("500", method="GET", times=20)

    assert pull_after_silence(office.sessions, office.connections, office.audience_id)

    assert ["failed"] == pull_runs(office)
