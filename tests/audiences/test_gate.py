"""One alert and a pause for whatever stops an account or an audience; work goes on by itself once it is mended."""

import threading
import time
from typing import Any

import pytest

from app.audiences.alerts import list_alerts
from app.audiences.connect import Connections, Deadlines
from app.audiences.gate import list_due_audiences, may_send
from app.audiences.pull import pull_audience
from app.audiences.runs import RunWatch, run_counted
from app.audiences.tend import probe_audiences, probe_destinations
from app.core.db import transaction
from integrations.mailchimp.problems import MailchimpProblem

LIST_ID = "a1b2c3d4e5"


def alerts(office: Any) -> list[Any]:
    with transaction(office.sessions) as session:
        return list_alerts(session)


def raised(office: Any) -> list[str]:
    rows = office.execute("SELECT error ->> 'code' FROM attempts WHERE error ? 'alert' ORDER BY id")
    return [row[0] for row in rows]


def parked(office: Any) -> int:
    return int(office.execute("SELECT count(*) FROM changes WHERE parked_at IS NOT NULL")[0][0])


def make_time_pass(office: Any) -> None:
    """The next probe is due."""
    office.execute("UPDATE destinations SET breaker = breaker || '{\"until\": 0}'")


def test_a_key_that_is_revoked_in_the_middle_of_a_push_is_one_alert_and_all_is_settled_once_restored(
    office: Any, simulator: Any, wait_for: Any
) -> None:
    """F21: mid-run 401."""
    office.crowd(2_400)
    simulator.running.world.switches.latency_ms = 150
    thread = threading.Thread(target=office.push, kwargs={"thread_count": 2, "claim_size": 200})
    thread.start()
    wait_for(lambda: simulator.member_count() >= 200)

    simulator.call("POST", "/accounts", {"is_revoked": True})
    thread.join(20)
    simulator.running.world.switches.latency_ms = 0
    before = simulator.member_count()
    office.push()

    assert before == simulator.member_count() < 2_400
    assert (len(raised(office)), parked(office)) == (1, 0)
    assert [(one.level, one.code, one.subject) for one in alerts(office)] == [
        ("stopped", raised(office)[0], "destination simulator")
    ]
    assert office.execute("SELECT count(*) FROM members WHERE sync_state = 'failed'") == [(0,)]

    simulator.call("POST", "/accounts", {"is_revoked": False})
    restored_at = time.monotonic()
    make_time_pass(office)
    probe_destinations(office.sessions, office.connections)
    office.hurry()
    office.push()
    assert (alerts(office), office.change_count()) == ([], 0)
    assert simulator.member_count() == 2_400
    assert time.monotonic() - restored_at < 60


@pytest.mark.parametrize("kind", ["is_revoked", "is_disabled"])
def test_whatever_is_wrong_with_the_account_is_one_alert(office: Any, simulator: Any, kind: str) -> None:
    for number in range(5):
        office.add(f"ada{number}@house.test")
    simulator.call("POST", "/accounts", {kind: True})

    for _ in range(3):
        office.push()

    assert (len(raised(office)), len(alerts(office)), parked(office)) == (1, 1, 0)
    assert alerts(office)[0].next_step


def test_a_pull_that_is_refused_pauses_the_account_too(office: Any, simulator: Any) -> None:
    simulator.call("POST", "/accounts", {"is_revoked": True})

    with pytest.raises(MailchimpProblem):
        run_counted(
            RunWatch(office.sessions, office.audience_id, "pull"),
            lambda watch: pull_audience(office.sessions, office.connections, office.audience_id, watch),
        )

    assert len(alerts(office)) == 1
    assert office.execute("SELECT paused_at IS NOT NULL FROM destinations") == [(True,)]


def test_the_probe_waits_for_its_time(office: Any, simulator: Any) -> None:
    office.add("ada@house.test")
    simulator.call("POST", "/accounts", {"is_revoked": True})
    office.push()
    simulator.call("POST", "/accounts", {"is_revoked": False})
    before = simulator.calls

    probe_destinations(office.sessions, office.connections)

    assert before == simulator.calls
    assert len(alerts(office)) == 1


def test_an_audience_that_is_gone_pauses_alone_and_comes_back_by_itself(
    office: Any, simulator: Any, box: Any, redis_url: str
) -> None:
    office.execute(
        "INSERT INTO audiences (slug, destination_id, list_id, approved_at)"
        " SELECT 'other', destination_id, 'bbbbbbbbbb', now() FROM audiences"
    )
    simulator.call("POST", "/lists", {"list_id": "bbbbbbbbbb", "name": "Other"})
    simulator.call("DELETE", f"/lists/{LIST_ID}")
    office.crowd(30)

    office.push()
    office.push()

    assert raised(office) == ["audience_gone"]
    (alert,) = alerts(office)
    assert (alert.level, alert.code, alert.slug) == ("stopped", "gone", "newsletter")
    assert (
        parked(office),
        office.execute("SELECT count(*) FROM destinations WHERE paused_at IS NOT NULL"),
    ) == (
        0,
        [(0,)],
    )
    with transaction(office.sessions) as session:
        other = office.execute("SELECT id FROM audiences WHERE slug = 'other'")[0][0]
        assert (may_send(session, office.audience_id), may_send(session, other)) == (False, True)
        assert list_due_audiences(session) == [other]

    probe_audiences(office.sessions, office.connections, is_young=True)
    assert len(alerts(office)) == 1
    simulator.call("POST", "/lists", {"list_id": LIST_ID, "name": "Back"})
    probe_audiences(office.sessions, office.connections, is_young=True)
    office.push()
    assert alerts(office) == []
    assert simulator.running.world.audiences[LIST_ID].find("p30@house.test").status == "subscribed"


def test_an_outage_is_shown_while_it_lasts(office: Any, simulator: Any, box: Any, redis_url: str) -> None:
    simulator.fault("503_html")
    impatient = Connections(box, redis_url, deadlines=Deadlines(1, 1))
    office.connections = impatient
    for number in range(15):
        office.add(f"ada{number}@house.test")
        office.push()
    impatient.close()

    assert [(one.level, one.code) for one in alerts(office)] == [("stopped", "outage")]
    assert raised(office) == []


def test_alerts_stand_in_order_of_weight(office: Any) -> None:
    office.execute("UPDATE audiences SET approved_at = NULL, paused_at = now(), paused_code = 'by_admin'")
    office.execute("UPDATE destinations SET paused_at = now(), paused_code = 'credentials'")

    found = [(one.level, one.code) for one in alerts(office)]

    assert found == [("stopped", "credentials"), ("waiting", "rehearsal"), ("notice", "by_admin")]


def test_an_audience_that_is_switched_off_raises_nothing(office: Any) -> None:
    office.execute("UPDATE audiences SET is_enabled = false, approved_at = NULL")

    assert alerts(office) == []


def test_while_the_account_wants_quiet_nothing_is_asked_and_no_attempt_is_spent(
    office: Any, simulator: Any
) -> None:
    office.add("ada@house.test")
    simulator.fault("429", times=1, retry_after_seconds=3)
    office.push()
    office.execute("UPDATE changes SET next_attempt_at = now()")
    before = simulator.calls
    attempts = office.execute("SELECT attempt_count FROM changes")

    blocked = [office.push().is_blocked, office.pull().is_blocked]

    assert ([True, True], before) == (blocked, simulator.calls)
    assert attempts == office.execute("SELECT attempt_count FROM changes")
    time.sleep(3)
    assert not office.push().is_blocked
    assert "subscribed" == simulator.member("ada@house.test").status
