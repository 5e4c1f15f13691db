"""Mailchimp throttles, fails, lies, breaks off and goes away: nothing is lost, nobody is asked too often, all agree after.

Real processes against the local Mailchimp (F15-F17, F19, F20, F22 of the reliability page). In the short form waits of
Muster's own schedule (half a minute after a lost answer, half a minute between probes) are ended in its database; with
MUSTER_CHAOS=long they run their time and the load is larger.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.mailchimp.simulator.config import DEFAULT_API_KEY, DEFAULT_LIST_ID
from tests.kit.agreement import disagreements
from tests.kit.running import RunningMuster, running_muster, wait_until
from tests.kit.signed import post_person

pytestmark = pytest.mark.faults

IS_LONG = os.environ.get("MUSTER_CHAOS") == "long"
PEOPLE = 300 if IS_LONG else 40
AGREE_SECONDS = 60
CONNECTION_LIMIT = 10
FAILING = ("500", "502_html", "504_html", "503_empty", "403_html", "200_html", "200_empty", "truncated")


@pytest.fixture(scope="module")
def muster() -> Iterator[RunningMuster]:
    with running_muster() as running:
        yield running


@pytest.fixture(scope="module")
def shop(muster: RunningMuster) -> Any:
    return muster.ask("sources", "add", "standard_webhooks", "shop")


@pytest.fixture(autouse=True)
def mended(muster: RunningMuster, shop: Any) -> Iterator[None]:
    """Each test begins and ends with a Mailchimp that works."""
    yield
    mend(muster)
    end_waits(muster)
    agree(muster)


def post(shop: Any, email: str, **person: Any) -> None:
    number = time.monotonic_ns()
    told = {"email": email, "newsletter": True, **person}
    assert post_person(shop["hook_url"], shop["secret"], f"msg_{number}", told) < 300


def fault(muster: RunningMuster, kind: str, **rule: Any) -> None:
    requests.post(f"{muster.sim}/_sim/faults", json={"kind": kind, **rule}, timeout=10).raise_for_status()


def mend(muster: RunningMuster) -> None:
    requests.delete(f"{muster.sim}/_sim/faults", timeout=10).raise_for_status()
    switch(muster, latency_ms=0, webhook_delay_seconds=0.0)


def switch(muster: RunningMuster, **switches: Any) -> None:
    requests.post(f"{muster.sim}/_sim/switches", json=switches, timeout=10).raise_for_status()


def last_number(muster: RunningMuster) -> int:
    entries = muster.journal()
    return int(entries[-1]["number"]) if entries else 0


def writes(muster: RunningMuster, since: int) -> list[dict[str, Any]]:
    """Requests that write members, since one number of the journal."""
    return [
        entry
        for entry in muster.journal(since=since)
        if entry["method"] != "GET"
        and entry["path"].startswith(f"/3.0/lists/{DEFAULT_LIST_ID}")
        and "webhooks" not in entry["path"]
    ]


def most_at_once(muster: RunningMuster) -> int:
    return int(requests.get(f"{muster.sim}/_sim/counts", timeout=10).json()["max_in_flight"])


def end_waits(muster: RunningMuster) -> None:
    """In the short form: let Muster's own schedule be over."""
    if not IS_LONG:
        with muster.connect() as connection:
            connection.execute("UPDATE changes SET next_attempt_at = now() WHERE parked_at IS NULL")
            connection.execute(
                "UPDATE destinations SET breaker = jsonb_set(breaker, '{until}', '0') WHERE breaker ? 'until'"
            )


def differences(muster: RunningMuster) -> list[str]:
    members = muster.members()
    there = {DEFAULT_LIST_ID: {member["id"]: member for member in members.values()}}
    return disagreements(muster.select, there)


def agree(muster: RunningMuster, seconds: float = AGREE_SECONDS) -> float:
    """Until the mirror, the customer database and Mailchimp say the same; how many seconds it took."""
    started, last = time.monotonic(), ["not drained"]
    while last and time.monotonic() - started < seconds:
        time.sleep(0.2)
        end_waits(muster)
        last = differences(muster) if muster.is_drained() else ["not drained"]
    assert [] == last, f"after {seconds} s: {last[:5]}"
    return time.monotonic() - started


def subscribed(muster: RunningMuster, prefix: str) -> int:
    return sum(
        member["status"] == "subscribed"
        for email, member in muster.members().items()
        if email.startswith(prefix)
    )


def test_without_faults_a_change_takes_one_call(muster: RunningMuster, shop: Any) -> None:
    since = last_number(muster)

    for number in range(20):
        post(shop, f"calm{number}@fault.example", first_name=f"C{number}")
        wait_until(lambda number=number: subscribed(muster, f"calm{number}@"), 20, "the member")
    agree(muster)

    assert len(writes(muster, since)) <= 20 * 1.05


@pytest.mark.parametrize("kind", ["429", "429_empty"])
def test_f15_throttling_keeps_the_number_of_connections_and_calls(
    muster: RunningMuster, shop: Any, kind: str
) -> None:
    name = f"f15{kind[3:5]}"
    for number in range(PEOPLE):
        post(shop, f"{name}{number}@fault.example", first_name=f"P{number}")
    agree(muster)
    with muster.connect() as connection:
        connection.execute("""UPDATE audiences SET tags = '["Mentor"]' """)
    since = last_number(muster)
    switch(muster, latency_ms=30)
    fault(muster, kind, probability=0.3, seed=15)

    for number in range(PEOPLE):  # a tag is a call of its own
        post(shop, f"{name}{number}@fault.example", tags=["Mentor"])
    wait_until(lambda: muster.is_drained() or end_waits(muster), AGREE_SECONDS, "calm")
    mend(muster)
    agree(muster)

    calls = writes(muster, since)
    assert any(entry["fault"] == kind for entry in calls)
    assert most_at_once(muster) <= CONNECTION_LIMIT
    assert len(calls) <= 2 * PEOPLE
    assert PEOPLE == sum(
        "Mentor" in {tag["name"] for tag in member["tags"]}
        for email, member in muster.members().items()
        if email.startswith(name)
    )


def test_f16_only_a_sound_answer_is_success(muster: RunningMuster, shop: Any) -> None:
    for index, kind in enumerate(FAILING):
        fault(muster, kind, times=2, method="PUT")
        fault(muster, kind, times=2, method="POST")
        post(shop, f"f16n{index}@fault.example", first_name="New")
        wait_until(lambda: muster.is_drained() or end_waits(muster), AGREE_SECONDS, f"calm after {kind}")
        mend(muster)
        agree(muster)

    assert len(FAILING) == subscribed(muster, "f16n")
    assert [(0,)] == muster.select("SELECT count(*) FROM changes WHERE parked_at IS NOT NULL")


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("reset_before", 0), ("reset_after", 0), ("drip", 40), ("hang", 40), ("cut_body", 0)],
)
def test_f17_a_broken_answer_is_bounded_and_has_no_second_effect(
    muster: RunningMuster, shop: Any, kind: str, seconds: float
) -> None:
    email = f"f17{kind.replace('_', '')}@fault.example"
    since = last_number(muster)
    fault(muster, kind, seconds=seconds, nth=1, path=f"/lists/{DEFAULT_LIST_ID}/members/")
    fault(muster, kind, seconds=seconds, nth=1, path=f"/lists/{DEFAULT_LIST_ID}$", method="POST")
    started = time.monotonic()

    post(shop, email, first_name="Broken")
    wait_until(
        lambda: muster.select("SELECT FROM changes WHERE first_failed_at IS NOT NULL"),
        20,
        "the end of the call",
    )
    waited = time.monotonic() - started
    agree(muster)

    assert waited <= 13
    created = [
        note
        for entry in muster.journal(email=email, since=since)
        for note in entry["notes"]
        if note["outcome"] == "created"
    ]
    assert (1, 1) == (len(created), subscribed(muster, email))


def test_f19_who_may_not_be_written_is_parked_with_the_reason(muster: RunningMuster, shop: Any) -> None:
    switch(muster, webhook_delay_seconds=3600.0)  # nobody tells Muster beforehand
    for email in ("f19gone@fault.example", "f19left@fault.example"):
        muster.act("add", email, kind="staff")
    muster.act("delete", "f19gone@fault.example", kind="staff")
    muster.act("unsubscribe", "f19left@fault.example")
    muster.act("archive", "f19left@fault.example", kind="staff")
    people = ("f19gone@fault.example", "f19left@fault.example", "fake@fault.example")
    since = last_number(muster)

    for email in people:
        post(shop, email, first_name="Out")
    agree(muster)
    calls = len(writes(muster, since))
    end_waits(muster)
    time.sleep(3)

    reasons = dict(
        muster.select(
            "SELECT email_address, error ->> 'code' FROM members WHERE sync_state = 'failed' AND error ->> 'reason' <> ''"
        )
    )
    assert set(people) <= set(reasons)
    assert calls == len(writes(muster, since))
    assert {0} == {subscribed(muster, email) for email in people}


def test_f20_mailchimp_is_away_and_comes_back_without_a_storm(muster: RunningMuster, shop: Any) -> None:
    fault(muster, "503_html")
    since = last_number(muster)
    for number in range(PEOPLE):
        post(shop, f"f20n{number}@fault.example", first_name=f"P{number}")
        time.sleep(0.05)
    breaker = "SELECT breaker ->> 'state' FROM destinations WHERE breaker ->> 'state' <> 'closed'"
    wait_until(lambda: muster.select(breaker), 60, "the open breaker")
    time.sleep(1)  # what was on its way
    while_open = last_number(muster)
    time.sleep(65 if IS_LONG else 6)
    probes = [entry for entry in muster.journal(since=while_open) if "/ping" in entry["path"]]
    others = [entry for entry in muster.journal(since=while_open) if "/ping" not in entry["path"]]
    assert len(probes) <= (4 if IS_LONG else 2)
    assert [] == [entry["path"] for entry in others]
    assert len(writes(muster, since)) <= 2 * PEOPLE

    mend(muster)
    back_at = last_number(muster)
    seconds = agree(muster)

    assert PEOPLE == subscribed(muster, "f20n")
    assert seconds <= AGREE_SECONDS
    assert len(writes(muster, back_at)) <= 1.5 * PEOPLE


def test_f22_a_webhook_of_our_own_change_makes_no_further_call(muster: RunningMuster, shop: Any) -> None:
    hooks_url = f"{muster.sim}/3.0/lists/{DEFAULT_LIST_ID}/webhooks"
    auth = ("any", DEFAULT_API_KEY)
    hooks = wait_until(
        lambda: requests.get(hooks_url, auth=auth, timeout=10).json()["webhooks"], 60, "the webhook"
    )
    echoing = {"sources": {"user": True, "admin": True, "api": True}}
    requests.patch(f"{hooks_url}/{hooks[0]['id']}", json=echoing, auth=auth, timeout=10).raise_for_status()
    before = muster.select("SELECT count(*) FROM deliveries")[0][0]
    since = last_number(muster)

    for number in range(20):
        post(shop, f"f22n{number}@fault.example", first_name=f"P{number}")
    agree(muster)
    for number in range(20):
        post(shop, f"f22n{number}@fault.example", first_name=f"Q{number}")
    agree(muster)
    time.sleep(2)
    agree(muster)

    calls = writes(muster, since)
    echoes = muster.select("SELECT count(*) FROM deliveries")[0][0] - before - 40
    assert echoes > 0
    assert len(calls) <= 40
    written = Counter(note["email"] for entry in calls for note in entry["notes"])
    assert max(written.values()) <= 2
