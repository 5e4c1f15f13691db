"""What waits for an admin: the latest look alone, asked once, and over as soon as it is decided or found mended."""

from typing import Any

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.reconcile import run_reconcile
from app.audiences.rehearse import run_first_sync
from app.audiences.run_views import RunView, get_run
from app.audiences.steer import approve, get_waiting_run
from app.core.db import transaction
from app.core.errors import ConflictError
from integrations.mailchimp.problems import MailchimpProblem


@pytest.fixture
def new(office: Any) -> Any:
    """The audience as if just added: never approved."""
    office.execute("UPDATE audiences SET approved_at = NULL")
    return office


def look(office: Any, work: Any) -> RunView:
    run_id = work(office.sessions, office.connections, office.audience_id, "tester")
    return shown(office, run_id)


def shown(office: Any, run_id: int) -> RunView:
    with transaction(office.sessions) as session:
        return get_run(session, run_id)


def asked(office: Any) -> list[tuple[str, int | None]]:
    with transaction(office.sessions) as session:
        return [(one.code, one.run_id) for one in list_alerts(session)]


def approve_latest(office: Any) -> None:
    with transaction(office.sessions) as session:
        approve(session, get_waiting_run(session, office.audience_id).id, "tester")


def rename_all(office: Any) -> None:
    office.execute('UPDATE contacts SET fields = fields || \'{"first_name": "Newer"}\'')


def test_a_dry_run_that_was_broken_off_is_not_passed_by_an_older_one(new: Any, simulator: Any) -> None:
    simulator.contact("signup", "p1@house.test")
    new.crowd(3)
    first = look(new, run_first_sync)
    new.execute("DELETE FROM consents")
    second = look(new, run_first_sync)

    with pytest.raises(ConflictError) as refusal:
        approve_latest(new)

    assert ("waiting", "failed", "empty_source") == (first.state, second.state, (second.error or {})["code"])
    assert ("cancelled", f"Run {second.run_id} is failed") == (
        shown(new, first.run_id).state,
        str(refusal.value).partition(":")[0],
    )
    assert [(None,)] == new.execute("SELECT approved_at FROM audiences")


def test_a_second_dry_run_asks_instead_of_the_first_and_approval_ends_it(new: Any) -> None:
    new.crowd(3)
    look(new, run_first_sync)
    second = look(new, run_first_sync)
    before = asked(new)

    approve_latest(new)

    assert [("first_sync", second.run_id)] == before
    assert [] == asked(new)


def test_a_dry_run_that_could_not_read_leaves_the_one_before_it_to_be_decided(
    new: Any, simulator: Any
) -> None:
    new.crowd(3)
    first = look(new, run_first_sync)
    simulator.fault("500", path="/lists")
    with pytest.raises(MailchimpProblem):
        look(new, run_first_sync)
    simulator.mend()

    assert "waiting" == shown(new, first.run_id).state


def test_two_nights_of_much_drift_are_asked_about_once_and_no_more_once_it_is_mended(office: Any) -> None:
    office.crowd(60)
    office.push()
    rename_all(office)
    look(office, run_reconcile)
    second = look(office, run_reconcile)
    before = asked(office)
    office.execute("UPDATE contacts SET fields = fields || jsonb_build_object('first_name', 'P' || id)")

    last = look(office, run_reconcile)

    assert [("reconcile", second.run_id)] == before
    assert ("done", 0, []) == (last.state, last.findings["differing"], asked(office))
