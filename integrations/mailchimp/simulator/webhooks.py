"""Deliveries to webhooks: from a bounded queue, tried again at rising intervals of the simulator's clock."""

import heapq
import itertools
import random
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from integrations.mailchimp.simulator.clock import Clock, iso
from integrations.mailchimp.simulator.config import SimulatorConfig, Switches
from integrations.mailchimp.simulator.happenings import Happening, form_body, signature_header
from integrations.mailchimp.simulator.parts import Webhook

QUEUE_SIZE = 20_000
THREAD_COUNT = 2
SWAP_SECONDS = 0.3
AGENT = "MailChimp.com"
VALIDATOR_AGENT = "MailChimp.com WebHook Validator"


@dataclass(order=True, slots=True)
class _Delivery:
    due_at: float
    order: int
    webhook: Webhook = field(compare=False)
    body: bytes = field(compare=False)
    try_count: int = field(default=0, compare=False)


def is_url_answering(url: str, timeout_seconds: float) -> bool:
    """What Mailchimp does when a webhook is saved: a GET that must be answered 200."""
    if urlsplit(url).scheme not in {"http", "https"}:
        return False
    with requests.Session() as session:
        session.trust_env = False
        session.headers["User-Agent"] = VALIDATOR_AGENT
        try:
            with session.get(url, timeout=timeout_seconds, allow_redirects=False, stream=True) as answer:
                return answer.status_code == HTTPStatus.OK
        except requests.RequestException:
            return False


class WebhookSender:
    """Threads that deliver. A full queue drops the oldest delivery, and counts it."""

    def __init__(self, config: SimulatorConfig, clock: Clock, switches: Switches) -> None:
        self._config, self._clock, self._switches = config, clock, switches
        self._due: list[_Delivery] = []
        self._condition = threading.Condition()
        self._is_closing = False
        self._busy_count = 0
        self._order = itertools.count()
        self._counts: Counter[str] = Counter()
        self._problems: deque[str] = deque(maxlen=50)
        self._random = random.Random(11)  # noqa: S311 - jitter
        self._threads: list[threading.Thread] = []

    def post(self, happening: Happening) -> None:
        """Order the deliveries: late, doubled, shuffled or swapped as the switches say."""
        body, switches = form_body(happening.kind, happening.at, happening.fields), self._switches
        for webhook in happening.webhooks:
            for _ in range(switches.webhook_copies):
                number = next(self._order)
                late = switches.webhook_delay_seconds + self._random.uniform(
                    0, switches.webhook_jitter_seconds
                )
                if switches.are_webhooks_swapped and number % 2 == 0:
                    late += SWAP_SECONDS
                self._push(_Delivery(self._clock.elapsed() + late, number, webhook, body))

    def wake(self) -> None:
        """The clock was moved: something may be due."""
        with self._condition:
            self._condition.notify_all()

    def counts(self) -> dict[str, Any]:
        with self._condition:
            waiting = len(self._due) + self._busy_count
            return {**self._counts, "waiting": waiting, "problems": list(self._problems)}

    def close(self) -> None:
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        for thread in self._threads:
            thread.join(timeout=0.5)

    def _push(self, delivery: _Delivery) -> None:
        with self._condition:
            if len(self._due) >= QUEUE_SIZE:
                heapq.heappop(self._due)
                self._counts["dropped"] += 1
            heapq.heappush(self._due, delivery)
            while len(self._threads) < THREAD_COUNT and not self._is_closing:
                thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._condition.notify()

    def _next(self) -> _Delivery | None:
        with self._condition:
            while not self._is_closing:
                wait = self._due[0].due_at - self._clock.elapsed() if self._due else 60.0
                if self._due and wait <= 0:
                    self._busy_count += 1
                    return heapq.heappop(self._due)
                self._condition.wait(wait)
        return None

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (delivery := self._next()) is not None:
                reason = self._send(session, delivery)
                self._settle(delivery, reason)

    def _send(self, session: requests.Session, delivery: _Delivery) -> str:
        """Why it did not arrive; empty for an answer of 2xx."""
        headers = {"User-Agent": AGENT, "Content-Type": "application/x-www-form-urlencoded"}
        if delivery.webhook.secret:
            at = int(time.time())  # real time: the receiver checks it against its own clock
            secrets = [one for one in (delivery.webhook.secret, delivery.webhook.former_secret) if one]
            headers["X-Mailchimp-Signature"] = signature_header(secrets, delivery.body, at)
        try:
            answer = session.post(
                delivery.webhook.url,
                data=delivery.body,
                headers=headers,
                timeout=self._config.webhook_timeout_seconds,
                allow_redirects=False,
            )
        except requests.RequestException as problem:
            return type(problem).__name__
        return "" if answer.ok and not answer.is_redirect else f"HTTP {answer.status_code}"

    def _settle(self, delivery: _Delivery, reason: str) -> None:
        waits = self._config.webhook_retry_seconds
        with self._condition:
            self._busy_count -= 1
            self._counts["delivered" if not reason else "failed"] += 1
            if reason:
                self._problems.append(f"{iso(self._clock.now())} {reason}")
        if reason and delivery.try_count < len(waits):
            delivery.due_at = self._clock.elapsed() + waits[delivery.try_count]
            delivery.try_count += 1
            self._push(delivery)
