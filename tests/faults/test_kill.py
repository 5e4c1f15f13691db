"""kill -9 of every process under load: what was answered 2xx is there once, every person once, nobody comes back.

`make test` runs the short form, `make chaos` the long one. The ledger of acknowledged deliveries is kept outside Muster.
"""

import hashlib
import json
import os
import random
import threading
import time
from collections import Counter

import pytest
import requests

from tests.kit.running import RunningMuster, running_muster, wait_until
from tests.kit.signed import standard_webhook

IS_LONG = os.environ.get("MUSTER_CHAOS") == "long"
DELIVERIES = 2_000 if IS_LONG else 600
KILLS_EACH = 3 if IS_LONG else 1
CLIENTS = 4
DUPLICATE_SHARE = 0.2
SEED = int(os.environ.get("MUSTER_SEED", "20261121"))
VICTIMS = {
    "web": "app.cli.main web",
    "worker": "app.cli.main worker",
    "PostgreSQL": "/postgres",
    "Valkey": "valkey-server",
}
CALM_SECONDS = 90


class Ledger:
    """What clients were told: message id -> sha256 of the bytes answered 2xx, and how often."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.acknowledged: dict[str, bytes] = {}
        self.statuses: Counter[int] = Counter()

    def note(self, message_id: str, body: bytes, status: int) -> None:
        with self._lock:
            self.statuses[status] += 1
            if 200 <= status < 300:
                self.acknowledged[message_id] = hashlib.sha256(body).digest()


def body_of(number: int) -> bytes:
    person = {
        "email": f"person{number}@kill.example",
        "first_name": f"First{number}",
        "last_name": f"Last{number}",
        "newsletter": True,
    }
    return json.dumps(
        {"type": "contact.created", "timestamp": "2026-11-21T10:00:00Z", "data": person}
    ).encode()


def client(work: list[int], source: dict, ledger: Ledger, pace_seconds: float) -> None:
    """Send each until it is acknowledged, as platforms do."""
    session = requests.Session()
    for number in work:
        message_id, body = f"msg_{number}", body_of(number)
        for _ in range(200):
            headers = standard_webhook(source["secret"], message_id, body)
            try:
                status = session.post(source["hook_url"], data=body, headers=headers, timeout=10).status_code
            except requests.RequestException:
                status = 0
            ledger.note(message_id, body, status)
            if 200 <= status < 300:
                break
            time.sleep(0.1)
        time.sleep(pace_seconds)


def share_work(seed: int) -> list[list[int]]:
    """Each client's deliveries, a fifth of them repeats of others, shuffled."""
    chance = random.Random(seed)
    unique = list(range(int(DELIVERIES * (1 - DUPLICATE_SHARE))))
    work = unique + chance.choices(unique, k=DELIVERIES - len(unique))
    chance.shuffle(work)
    return [work[start::CLIENTS] for start in range(CLIENTS)]


def kill_in_turn(muster: RunningMuster, is_over: threading.Event) -> Counter[str]:
    """Each victim so often, one after another, while the load runs."""
    killed: Counter[str] = Counter()
    chance = random.Random(SEED)
    turns = [name for name in VICTIMS for _ in range(KILLS_EACH)]
    chance.shuffle(turns)
    for name in turns:
        time.sleep(chance.uniform(0.5, 1.5))
        wait_until(lambda name=name: muster.kill(VICTIMS[name]), 15, f"a running {name}")
        killed[name] += 1
        if is_over.is_set():
            continue
    return killed


@pytest.fixture(scope="module")
def muster():
    with running_muster() as running:
        yield running


def test_nothing_acknowledged_is_lost_and_nobody_is_there_twice(muster):
    source = muster.ask("sources", "add", "standard_webhooks", "shop")
    ledger, is_over = Ledger(), threading.Event()
    people = int(DELIVERIES * (1 - DUPLICATE_SHARE))
    threads = [
        threading.Thread(target=client, args=(work, source, ledger, 0.01)) for work in share_work(SEED)
    ]
    leavers = [f"person{number}@kill.example" for number in range(0, people, 50)]

    for thread in threads:
        thread.start()
    killed = kill_in_turn(muster, is_over)
    for thread in threads:
        thread.join(240)
    is_over.set()
    wait_until(muster.is_drained, CALM_SECONDS, "calm")
    wait_until(lambda: len(muster.members()) == people, CALM_SECONDS, f"{people} members")
    for email in leavers:
        muster.act("unsubscribe", email)
    for number in range(0, people, 50):
        again = body_of(number).replace(b"First", b"FIRST")
        headers = standard_webhook(source["secret"], f"again_{number}", again)
        assert requests.post(source["hook_url"], data=again, headers=headers, timeout=10).status_code < 300
    wait_until(
        lambda: (
            muster.select("SELECT count(*) FROM events WHERE kind = 'unsubscribe' AND state = 'done'")
            == [(len(leavers),)]
        ),
        CALM_SECONDS,
    )
    wait_until(muster.is_drained, CALM_SECONDS, "calm")

    assert dict.fromkeys(VICTIMS, KILLS_EACH) == killed
    assert people == len(ledger.acknowledged)
    stored = dict(muster.select("SELECT key, body_sha256 FROM deliveries WHERE key LIKE 'msg_%'"))
    assert ledger.acknowledged == {key: bytes(digest) for key, digest in stored.items()}
    assert [(people,)] == muster.select(
        "SELECT count(*) FROM events WHERE key LIKE 'msg_%' AND state = 'done'"
    )
    assert [(people,)] == muster.select("SELECT count(*) FROM contacts WHERE state = 'active'")
    assert [] == muster.select(
        "SELECT match_value FROM identities WHERE kind = 'email' GROUP BY 1 HAVING count(*) > 1"
    )
    assert_members(muster, people, leavers)


def assert_members(muster: RunningMuster, people: int, leavers: list[str]) -> None:
    members = muster.members()
    statuses = Counter(member["status"] for member in members.values())
    assert {"subscribed": people - len(leavers), "unsubscribed": len(leavers)} == statuses
    for email in leavers:
        left_at = next(
            (
                entry["number"]
                for entry in muster.journal(email=email)
                if any(note["asked_status"] == "unsubscribed" for note in entry["notes"])
            ),
            None,
        )
        later = [
            note
            for entry in muster.journal(email=email)
            if left_at and entry["number"] > left_at
            for note in entry["notes"]
            if note["email"] == email and note["is_subscribing"]
        ]
        assert [] == later
        assert "unsubscribed" == members[email]["status"]


def test_after_the_power_went_everything_is_there_again(muster):
    before = muster.select("SELECT count(*) FROM deliveries")

    muster.kill_everything()
    muster.start()

    assert before == muster.select("SELECT count(*) FROM deliveries")
    assert [(0,)] != muster.select("SELECT count(*) FROM contacts")
    assert muster.is_drained()
