"""Audience webhooks: the form-encoded deliveries, signed, tried again, from a bounded queue.

Formats: https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/ and captured bodies (2026-11).
"""

import hashlib
import heapq
import hmac
import itertools
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlsplit

import requests

from integrations.mailchimp.simulator.config import SimulatorConfig, Switches
from integrations.mailchimp.simulator.state import Audience, Clock, Member, Webhook, iso, unique_id_of

QUEUE_SIZE = 20_000
THREAD_COUNT = 2
AGENT = "MailChimp.com"
VALIDATOR_AGENT = "MailChimp.com WebHook Validator"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a webhook may want to hear of, with the fields as they were at that moment."""

    kind: str  # subscribe, unsubscribe, profile, upemail, cleaned
    source: str  # user, admin, api
    webhooks: tuple[Webhook, ...]
    fields: Mapping[str, Any]
    at: int


@dataclass(order=True, slots=True)
class _Delivery:
    due_at: float
    order: int
    webhook: Webhook = field(compare=False)
    body: bytes = field(compare=False)
    try_count: int = field(default=0, compare=False)


def happening(
    audience: Audience, kind: str, source: str, fields: Callable[[], Mapping[str, Any]], at: int
) -> Happening | None:
    """The happening, or None where no webhook wants it; `fields` is only asked when one does."""
    wanted = tuple(
        webhook
        for webhook in audience.webhooks.values()
        if webhook.events.get(kind) and webhook.sources.get(source)
    )
    return Happening(kind, source, wanted, fields(), at) if wanted else None


def member_fields(audience: Audience, member: Member, *names: str) -> dict[str, Any]:
    """The named fields of a delivery, in that order. An address arrives nested, everything else as text."""
    merges: dict[str, Any] = {"EMAIL": member.email}
    for tag in audience.fields_by_tag():
        merges[tag] = member.merge_fields.get(tag, "")
    known: dict[str, Any] = {
        "id": unique_id_of(member.email),
        "list_id": audience.list_id,
        "email": member.email,
        "email_type": member.email_type,
        "ip_opt": member.ip_opt,
        "ip_signup": member.ip_signup,
        "web_id": member.web_id,
        "merges": merges,
    }
    return {name: known[name] for name in names}


def form_body(kind: str, at: int, fields: Mapping[str, Any]) -> bytes:
    """`type=...&fired_at=...&data[...]=...`, encoded as PHP's http_build_query does."""
    fired_at = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    pairs: list[tuple[str, Any]] = [("type", kind), ("fired_at", fired_at)]
    pairs += _flatten("data", fields)
    return "&".join(f"{quote_plus(name)}={quote_plus(str(value))}" for name, value in pairs).encode()


def _flatten(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [pair for name, part in value.items() for pair in _flatten(f"{prefix}[{name}]", part)]
    return [(prefix, value)]


def signature_header(secret: str, body: bytes, at: int) -> str:
    """X-Mailchimp-Signature: HMAC-SHA256 over "{t}.{raw body}"."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


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
        body = form_body(happening.kind, happening.at, happening.fields)
        for webhook in happening.webhooks:
            for _ in range(self._switches.webhook_copies):
                jitter = self._random.uniform(0, self._switches.webhook_jitter_seconds)
                self._push(_Delivery(time.monotonic() + jitter, next(self._order), webhook, body))

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
                wait = self._due[0].due_at - time.monotonic() if self._due else 60.0
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
            headers["X-Mailchimp-Signature"] = signature_header(delivery.webhook.secret, delivery.body, at)
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
            delivery.due_at = time.monotonic() + waits[delivery.try_count]
            delivery.try_count += 1
            self._push(delivery)
