"""A started Muster and a local Mailchimp that goes wrong by rule: what tests of faults ask, order, count and wait for."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

from integrations.mailchimp.simulator.config import DEFAULT_LIST_ID
from tests.kit.agreement import disagreements
from tests.kit.running import RunningMuster, wait_until
from tests.kit.signed import post_person

# In the short form waits of Muster's own schedule (half a minute after a lost answer, half a minute between probes) are
# ended in its database; with MUSTER_CHAOS=long they run their time and the load is larger.
IS_LONG = os.environ.get("MUSTER_CHAOS") == "long"
AGREE_SECONDS = 60
CONNECTION_LIMIT = 10
LIST = f"/3.0/lists/{DEFAULT_LIST_ID}"


@dataclass(frozen=True)
class Trial:
    """Muster, a source that people sign up at, and the Mailchimp they go to."""

    muster: RunningMuster
    shop: Any

    # What happens

    def post(self, email: str, **person: Any) -> None:
        told = {"email": email, "newsletter": True, **person}
        number = time.monotonic_ns()
        assert post_person(self.shop["hook_url"], self.shop["secret"], f"msg_{number}", told) < 300

    def post_many(self, prefix: str, count: int, seconds_between: float = 0.0, **person: Any) -> None:
        for number in range(count):
            self.post(f"{prefix}{number}@fault.example", **person)
            time.sleep(seconds_between)

    def fault(self, kind: str, **rule: Any) -> None:
        self._control("POST", "faults", {"kind": kind, **rule})

    def fault_of_each(self, kinds: Sequence[str], share: float, **rule: Any) -> None:
        """Together they fail `share` of all calls; the first rule that fits decides, so each fails as much of what is left."""
        each = 1 - (1 - share) ** (1 / len(kinds))
        for kind in kinds:
            self.fault(kind, probability=each, seed=15, **rule)

    def switch(self, **switches: Any) -> None:
        self._control("POST", "switches", switches)

    def mend(self) -> None:
        self._control("DELETE", "faults", None)
        self.switch(latency_ms=0, webhook_delay_seconds=0.0)

    def _control(self, method: str, what: str, wants: Any) -> None:
        url = f"{self.muster.sim}/_sim/{what}"
        requests.request(method, url, json=wants, timeout=10).raise_for_status()

    def end_waits(self) -> None:
        """In the short form: let Muster's own schedule be over."""
        if not IS_LONG:
            with self.muster.connect() as connection:
                connection.execute(
                    "UPDATE changes SET next_attempt_at = now()"
                    " WHERE parked_at IS NULL AND next_attempt_at > now() AND lease_token IS NULL"
                )
                connection.execute(
                    "UPDATE destinations SET breaker = jsonb_set(breaker, '{until}', '0') WHERE breaker ? 'until'"
                )

    # What is seen

    def last_number(self) -> int:
        entries = self.muster.journal()
        return int(entries[-1]["number"]) if entries else 0

    def calls(self, since: int) -> list[dict[str, Any]]:
        """Requests for members, one or many, since one number of the journal; no sweep's listing."""
        return [
            entry
            for entry in self.muster.journal(since=since)
            if entry["path"].startswith(f"{LIST}/members/")
            or (entry["path"], entry["method"]) == (LIST, "POST")
        ]

    def writes(self, since: int) -> list[dict[str, Any]]:
        return [entry for entry in self.calls(since) if entry["method"] != "GET"]

    def most_at_once(self) -> int:
        """Connections, the refused ones counted in: the simulator takes no more than the limit."""
        return max((entry["in_flight"] for entry in self.muster.journal()), default=0)

    def subscribed(self, prefix: str) -> int:
        members = self.muster.members()
        return sum(
            one["status"] == "subscribed" for email, one in members.items() if email.startswith(prefix)
        )

    # Rest

    def differences(self) -> list[str]:
        there = {DEFAULT_LIST_ID: {member["id"]: member for member in self.muster.members().values()}}
        return disagreements(self.muster.select, there)

    def drain(self, what: str = "calm") -> None:
        """Until nothing waits, whatever goes wrong meanwhile."""
        wait_until(lambda: self.muster.is_drained() or self.end_waits(), AGREE_SECONDS, what)

    def agree(self, seconds: float = AGREE_SECONDS) -> float:
        """Until the mirror, the customer database and Mailchimp say the same; how many seconds it took."""
        started, last = time.monotonic(), ["not drained"]
        while last and time.monotonic() - started < seconds:
            time.sleep(0.2)
            self.end_waits()
            last = self.differences() if self.muster.is_drained() else ["not drained"]
        assert [] == last, f"after {seconds} s: {last[:5]}"
        return time.monotonic() - started
