"""Faults by rule: which requests fail, how, and whether before or after the change was made."""

import math
import random
import re
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"


def _html(title: str) -> bytes:
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of fault looks like from outside.

    is_applied: the change is made first, and only the answer suffers. cut: what happens to the connection -
    reset (RST), half (the body breaks off before its announced length), drip (a byte at a time).
    refusal: the name of a refusal of Mailchimp's own, with its honest body.
    """

    status: int = 0
    content_type: str = JSON
    body: bytes = b""
    refusal: str = ""
    is_applied: bool = False
    cut: str = ""


SHAPES: dict[str, Shape] = {
    "429": Shape(429, refusal="too_many_connections"),
    "429_empty": Shape(429),
    "429_html": Shape(429, HTML, _html("Too Many Requests")),
    "403": Shape(403, refusal="forbidden"),
    "403_empty": Shape(403),
    "403_html": Shape(403, HTML, _html("Access Denied")),
    "401": Shape(401, refusal="key_invalid"),
    "500": Shape(500, refusal="server_error"),
    "500_empty": Shape(500),
    "500_html": Shape(500, HTML, _html("Internal Server Error")),
    "502": Shape(502, refusal="bad_gateway"),
    "502_empty": Shape(502),
    "502_html": Shape(502, HTML, _html("502 Bad Gateway")),
    "503": Shape(503, refusal="unavailable"),
    "503_html": Shape(503, HTML, _html("503 Service Temporarily Unavailable")),
    "503_empty": Shape(503),
    "503_compliance": Shape(503, refusal="method_disabled"),
    "504": Shape(504, refusal="gateway_timeout"),
    "504_empty": Shape(504),
    "504_html": Shape(504, HTML, _html("504 Gateway Time-out")),
    "200_html": Shape(200, HTML, _html("Welcome")),
    "200_empty": Shape(200),
    "reset_before": Shape(cut="reset"),
    "reset_after": Shape(cut="reset", is_applied=True),
    "truncated": Shape(is_applied=True, cut="short"),
    "cut_body": Shape(is_applied=True, cut="half"),
    "drip": Shape(is_applied=True, cut="drip"),
    "slow": Shape(is_applied=True),
    "hang": Shape(cut="reset"),
}


@dataclass(slots=True)
class Rule:
    """One rule. `nth` fails that match alone, `every` each so-many-th, `probability` by chance; `times` caps them."""

    kind: str
    path: str = ""  # a regular expression, searched in the path
    method: str = ""
    nth: int = 0
    every: int = 0
    probability: float = 1.0
    times: int = 0  # 0: no end
    seconds: float = 0.0  # for slow, hang and drip
    retry_after_seconds: int = 0  # Mailchimp names none; what stands before it may
    is_retry_after_date: bool = False
    match_count: int = 0
    hit_count: int = 0

    def __post_init__(self) -> None:
        if self.kind not in SHAPES:
            raise ValueError(f"kind must be one of: {', '.join(SHAPES)}")
        re.compile(self.path)

    def retry_after(self, now: datetime) -> str:
        """The header's text: seconds, or the first whole second that is no sooner; empty where none is wanted."""
        if not self.retry_after_seconds:
            return ""
        if not self.is_retry_after_date:
            return str(self.retry_after_seconds)
        until = math.ceil((now + timedelta(seconds=self.retry_after_seconds)).timestamp())
        return format_datetime(datetime.fromtimestamp(until, UTC), usegmt=True)


class Faults:
    """The rules in force; the first that fits decides. The same seed gives the same chances."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._random = random.Random(7)  # noqa: S311 - faults to repeat, not secrets

    def add(self, rule: Rule, seed: int | None = None) -> None:
        with self._lock:
            self._rules.append(rule)
            if seed is not None:
                self._random.seed(seed)

    def add_kind(self, kind: str) -> None:
        """Every request, until they are cleared."""
        self.add(Rule(kind))

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def pick(self, method: str, path: str) -> Rule | None:
        """The fault for this request, counted as used."""
        with self._lock:
            for rule in self._rules:
                if self._hits(rule, method, path):
                    rule.hit_count += 1
                    return rule
        return None

    def _hits(self, rule: Rule, method: str, path: str) -> bool:
        if (rule.method and rule.method != method) or not re.search(rule.path, path):
            return False
        rule.match_count += 1
        if rule.times and rule.hit_count >= rule.times:
            return False
        if rule.nth:
            return rule.match_count == rule.nth
        if rule.every:
            return rule.match_count % rule.every == 0
        return self._random.random() < rule.probability
