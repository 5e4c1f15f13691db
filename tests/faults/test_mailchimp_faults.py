"""Mailchimp throttles, fails, breaks off, refuses, goes away and echoes: nothing is lost, nobody is asked too often.

F15-F17, F19, F20 and F22 of the reliability page, with real processes against the local Mailchimp. That there are at most
ten connections at all times, and agreement within a minute of the last fault, is asserted after each of them (conftest).
"""

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from integrations.mailchimp.simulator.config import DEFAULT_API_KEY
from tests.kit.faulty import AGREE_SECONDS, IS_LONG, LIST, Trial
from tests.kit.running import RunningMuster, wait_until

PEOPLE = 300 if IS_LONG else 40
FEW = 60 if IS_LONG else 10  # where each refusal makes everybody wait
UNSOUND = ("500", "502_html", "504_html", "503_empty", "403_html", "200_html", "200_empty", "truncated")
THROTTLING = ("429", "429_empty")
BREAKING = ("reset_before", "reset_after", "cut_body")
NAMED = {"retry_after_seconds": 1}  # the time that an answer names
PROBE_SECONDS = 30
STORM = 1.5  # times the rate of the same load on a day without faults


@pytest.fixture(scope="module")
def people(started: Trial) -> int:
    """Members whose tags will change; a tag is a call of its own."""
    started.post_many("bound", PEOPLE, first_name="P")
    started.agree()
    return PEOPLE


def tagged(trial: Trial, tag: str) -> int:
    return sum(tag in {one["name"] for one in member["tags"]} for member in trial.muster.members().values())


def test_without_faults_a_change_takes_one_call(trial: Trial) -> None:
    since = trial.last_number()

    for number in range(20):
        trial.post(f"calm{number}@fault.example", first_name=f"C{number}")
        wait_until(lambda number=number: trial.subscribed(f"calm{number}@"), 20, "the member")
    trial.agree()

    assert len(trial.calls(since)) <= 20 * 1.05


@dataclass(frozen=True)
class Failing:
    """How calls fail, and for how many people."""

    name: str  # the tag that is given meanwhile
    kinds: tuple[str, ...]
    count: int = PEOPLE
    rule: Mapping[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    "failing",
    [
        Failing("F15", THROTTLING),
        Failing("F15 wait", THROTTLING, FEW, NAMED),
        Failing("F15 date", THROTTLING, FEW, {**NAMED, "is_retry_after_date": True}),
        Failing("F16", UNSOUND),
        Failing("F17", BREAKING),
    ],
    ids=lambda failing: failing.name,
)
def test_with_thirty_of_a_hundred_calls_failing_a_change_takes_two_at_most(
    trial: Trial, people: int, failing: Failing
) -> None:
    with trial.muster.connect() as connection:
        connection.execute("UPDATE audiences SET tags = jsonb_build_array(%s::text)", (failing.name,))
    since = trial.last_number()
    trial.switch(latency_ms=30)
    trial.fault_of_each(failing.kinds, 0.3, path="/lists/", **failing.rule)

    trial.post_many("bound", failing.count, tags=[failing.name])
    trial.drain()
    trial.mend()
    seconds = trial.agree()

    calls = trial.calls(since)
    assert {entry["fault"] for entry in calls} & set(failing.kinds)
    assert failing.count == tagged(trial, failing.name) <= people
    assert len(calls) <= 2 * failing.count
    assert seconds <= AGREE_SECONDS


@pytest.mark.parametrize("is_date", [False, True])
def test_f15_a_time_to_wait_is_kept_by_all_processes(trial: Trial, is_date: bool) -> None:
    wait = 4
    prefix = f"f15{'date' if is_date else 'wait'}"
    since = trial.last_number()
    trial.fault("429", times=1, path="/lists/", retry_after_seconds=wait, is_retry_after_date=is_date)

    trial.post_many(prefix, FEW, seconds_between=0.05, first_name="P")
    trial.agree()

    entries = trial.muster.journal(since=since)
    refused_at = next(entry["at"] for entry in entries if entry["fault"] == "429")
    later = [entry["at"] - refused_at for entry in entries if entry["at"] > refused_at + 1]
    assert FEW == trial.subscribed(prefix)
    assert wait - 1 <= min(later) <= AGREE_SECONDS  # the journal tells whole seconds


def test_f16_only_a_sound_answer_is_success(trial: Trial, muster: RunningMuster) -> None:
    for index, kind in enumerate(UNSOUND):
        trial.fault(kind, times=2, method="PUT")
        trial.fault(kind, times=2, method="POST")
        trial.post(f"f16n{index}@fault.example", first_name="New")
        trial.drain(f"calm after {kind}")
        trial.mend()
        trial.agree()

    assert len(UNSOUND) == trial.subscribed("f16n")
    assert [(0,)] == muster.select("SELECT count(*) FROM changes WHERE parked_at IS NOT NULL")


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("reset_before", 0), ("reset_after", 0), ("drip", 40), ("hang", 40), ("cut_body", 0)],
)
def test_f17_a_broken_answer_is_bounded_and_has_no_second_effect(
    trial: Trial, muster: RunningMuster, kind: str, seconds: float
) -> None:
    email = f"f17{kind.replace('_', '')}@fault.example"
    since = trial.last_number()
    trial.fault(kind, seconds=seconds, nth=1, path="/members/")
    trial.fault(kind, seconds=seconds, nth=1, path="/lists/[a-z0-9]+$", method="POST")
    started = time.monotonic()

    trial.post(email, first_name="Broken")
    wait_until(
        lambda: muster.select("SELECT FROM changes WHERE first_failed_at IS NOT NULL"),
        20,
        "the end of the call",
    )
    waited = time.monotonic() - started
    trial.agree()

    assert waited <= 13
    created = [
        note
        for entry in muster.journal(email=email, since=since)
        for note in entry["notes"]
        if note["outcome"] == "created"
    ]
    assert (1, 1) == (len(created), trial.subscribed(email))


def test_f19_who_may_not_be_written_is_parked_with_the_reason(trial: Trial, muster: RunningMuster) -> None:
    trial.switch(webhook_delay_seconds=3600.0)  # nobody tells Muster beforehand
    for email in ("f19gone@fault.example", "f19left@fault.example"):
        muster.act("add", email, kind="staff")
    muster.act("delete", "f19gone@fault.example", kind="staff")
    muster.act("unsubscribe", "f19left@fault.example")
    muster.act("archive", "f19left@fault.example", kind="staff")
    people = ("f19gone@fault.example", "f19left@fault.example", "fake@fault.example")
    since = trial.last_number()

    for email in people:
        trial.post(email, first_name="Out")
    trial.agree()
    calls = len(trial.writes(since))
    trial.end_waits()
    time.sleep(3)

    reasons = dict(
        muster.select(
            "SELECT email_address, error ->> 'code' FROM members WHERE sync_state = 'failed' AND error ->> 'reason' <> ''"
        )
    )
    assert set(people) <= set(reasons)
    assert calls == len(trial.writes(since))
    assert {0} == {trial.subscribed(email) for email in people}


def calls_within(trial: Trial, since: int, seconds: float) -> int:
    """Requests of any kind in the first seconds after one number of the journal."""
    entries = trial.muster.journal(since=since)
    return sum(entry["at"] < entries[0]["at"] + seconds for entry in entries)


def steady_rate(trial: Trial) -> float:
    """Requests a second while as many people sign up without faults."""
    since, started = trial.last_number(), time.monotonic()
    trial.post_many("f20calm", PEOPLE, seconds_between=0.05)
    trial.agree()
    return calls_within(trial, since, 3600) / (time.monotonic() - started)


def test_f20_mailchimp_is_away_and_comes_back_without_a_storm(trial: Trial, muster: RunningMuster) -> None:
    trial.fault("503_html")
    since = trial.last_number()
    trial.post_many("f20n", PEOPLE, seconds_between=0.05)
    breaker = "SELECT breaker ->> 'state' FROM destinations WHERE breaker ->> 'state' <> 'closed'"
    wait_until(lambda: muster.select(breaker), 60, "the open breaker")
    time.sleep(1)  # what was on its way
    while_open, away_seconds = trial.last_number(), 65 if IS_LONG else 5
    time.sleep(away_seconds)
    entries = muster.journal(since=while_open)
    probes = [entry for entry in entries if "/ping" in entry["path"]]
    assert len(probes) <= math.ceil(away_seconds / PROBE_SECONDS)
    assert [] == [entry["path"] for entry in entries if entry not in probes]
    assert len(trial.writes(since)) <= 2 * PEOPLE

    trial.mend()
    back_at = trial.last_number()
    seconds = trial.agree()
    window = max(seconds, 60 if IS_LONG else 3)
    time.sleep(window - seconds)
    storm = calls_within(trial, back_at, window)

    assert PEOPLE == trial.subscribed("f20n")
    assert len(trial.writes(back_at)) <= PEOPLE
    assert storm <= STORM * steady_rate(trial) * window


def test_f22_a_webhook_of_our_own_change_makes_no_further_call(trial: Trial, muster: RunningMuster) -> None:
    hooks_url = f"{muster.sim}{LIST}/webhooks"
    auth = ("any", DEFAULT_API_KEY)
    hooks = wait_until(
        lambda: requests.get(hooks_url, auth=auth, timeout=10).json()["webhooks"], 60, "the webhook"
    )
    echoing = {"sources": {"user": True, "admin": True, "api": True}}
    requests.patch(f"{hooks_url}/{hooks[0]['id']}", json=echoing, auth=auth, timeout=10).raise_for_status()
    before = muster.select("SELECT count(*) FROM deliveries")[0][0]
    since = trial.last_number()

    for number in range(20):
        trial.post(f"f22n{number}@fault.example", first_name=f"P{number}")
    trial.agree()
    for number in range(20):
        trial.post(f"f22n{number}@fault.example", first_name=f"Q{number}")
    trial.agree()
    time.sleep(2)
    trial.agree()

    calls = trial.writes(since)
    echoes = muster.select("SELECT count(*) FROM deliveries")[0][0] - before - 40
    assert echoes > 0
    assert len(calls) <= 40
    written = Counter(note["email"] for entry in calls for note in entry["notes"])
    assert max(written.values()) <= 2
