"""A sample delivery read through an integration and a mapping, writing nothing: verdict, events, patches, ignored parts.

The words of headers files are those of a captured request: `Name: value` lines, `#` comments, a request line if any.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from app.inbox.mapped import plain_problem
from integrations.kit.contract import (
    Event,
    Ignored,
    RawRequest,
    Reply,
    Source,
    SourceConfig,
    Unreadable,
    Verdict,
)
from integrations.kit.runner import event_as_json, reply_as_json
from mappings.language.compile import CompiledMapping
from mappings.language.event import EventInfo
from mappings.language.patch import ContactPatch, MappingResult

REQUEST_LINE = re.compile(r"([A-Z]+) (\S+)(?: HTTP/[\d.]+)?")
TYPES = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".xml": "text/xml; charset=utf-8",
}
BOUNDARY = re.compile(rb"--([0-9A-Za-z'()+_,./:=? -]{1,70})\r?\n")


@dataclass(frozen=True, slots=True)
class SampleHead:
    """What stands above a captured body."""

    method: str = "POST"
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What an integration makes of one request. Of `challenge` and the rest only one is meant."""

    verdict: Verdict
    challenge: Reply | None = None
    reply: Reply | None = None
    events: tuple[Event, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    unreadable: Unreadable | None = None
    results: tuple[MappingResult | None, ...] = field(
        default=()
    )  # of each event; None = it must be fetched first


def read_head(text: str) -> SampleHead:
    """The request line (when there is one) and the headers; anything else is skipped."""
    method, path = "POST", ""
    headers: list[tuple[str, str]] = []
    for line in text.splitlines():
        found = REQUEST_LINE.fullmatch(line.strip())
        name, colon, value = line.partition(":")
        if found:
            method, path = found[1], found[2]
        elif colon and not line.startswith("#") and name.strip() and " " not in name.strip():
            headers.append((name.strip().lower(), value.strip()))
    return SampleHead(method, path, tuple(headers))


def sample_request(
    body: bytes,
    head: SampleHead,
    now: datetime,
    *,
    suffix: str = "",
    url: str = "",
    query: Iterable[tuple[str, str]] = (),
    url_key: str = "",
) -> RawRequest:
    """The request behind a captured body. Without a content type the file's suffix or the body itself says it."""
    headers = head.headers
    if not any(name == "content-type" for name, _ in headers):
        found = TYPES.get(suffix) or guess_type(body)
        headers = (*headers, ("content-type", found)) if found else headers
    called = urlsplit(url or head.path)
    pairs = (*parse_qsl(called.query, keep_blank_values=True), *query)
    return RawRequest(
        head.method, url or f"https://muster.example{head.path}", headers, body, pairs, url_key, now
    )


def guess_type(body: bytes) -> str:
    """A content type by the first bytes; "" where they say nothing."""
    boundary = BOUNDARY.match(body)
    if boundary:
        return f'multipart/form-data; boundary="{boundary[1].decode("ascii").rstrip()}"'
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        return "application/json"
    return "text/xml" if start == b"<" else ""


def read_sample(
    source: Source, config: SourceConfig, request: RawRequest, mapping: CompiledMapping | None, now: datetime
) -> Reading:
    """Everything the integration says about the request, whatever the verdict: a sample has seldom its secret."""
    challenge = source.challenge(request, config)
    verdict = source.verify(request, config, now)
    if challenge is not None:
        return Reading(verdict, challenge)
    reply = source.reply(request, config)
    try:
        split = source.split(request, config)
    except Unreadable as error:
        return Reading(verdict, None, reply, unreadable=error)
    results = tuple(_map(event, mapping, request, config) for event in split.events)
    return Reading(verdict, None, reply, split.events, split.ignored, None, results)


def _map(
    event: Event, mapping: CompiledMapping | None, request: RawRequest, config: SourceConfig
) -> MappingResult | None:
    if event.needs_enrich or mapping is None:
        return None
    info = EventInfo(
        event.key, event.kind, event.occurred_at, request.received_at, event.account, config.slug
    )
    return mapping.apply(event.content, info)


def reading_as_json(reading: Reading) -> dict[str, Any]:
    """For people and programs."""
    problem = reading.unreadable
    return {
        "verdict": {"is_ok": reading.verdict.is_ok, "reason": reading.verdict.reason},
        "challenge": reply_as_json(reading.challenge) if reading.challenge else None,
        "reply": reply_as_json(reading.reply) if reading.reply else None,
        "events": [
            {**event_as_json(event), "patches": _patches(result), **_fate(event, result)}
            for event, result in zip(reading.events, reading.results, strict=False)
        ],
        "patches": [patch for result in reading.results for patch in _patches(result)],
        "ignored": [{"kind": part.kind, "reason": part.reason} for part in reading.ignored],
        "unreadable": {"reason": problem.reason, "hint": problem.hint, "path": problem.path}
        if problem
        else None,
    }


def _fate(event: Event, result: MappingResult | None) -> dict[str, Any]:
    if event.needs_enrich:
        return {"outcome": "waits to be fetched from the platform's API"}
    if result is None:
        return {"outcome": "no mapping"}
    if result.rejected is not None:
        return {"outcome": "rejected", "problem": plain_problem(result.rejected)}
    return {"outcome": f"ignored: {result.ignored}" if result.ignored else "mapped"}


def _patches(result: MappingResult | None) -> list[dict[str, Any]]:
    return [patch_as_json(patch) for patch in result.patches] if result else []


def patch_as_json(patch: ContactPatch) -> dict[str, Any]:
    """A contact patch; what is empty is left out."""
    made = {
        "identities": [
            {"kind": one.kind, "scope": one.scope, "value": one.value} for one in patch.identities
        ],
        "fields": dict(patch.fields),
        "tags_added": list(patch.tags_added),
        "tags_removed": list(patch.tags_removed),
        "consents": [
            {
                "channel": one.channel,
                "purpose": one.purpose,
                "verdict": one.verdict,
                "proof": one.proof,
                "wording": one.wording,
                "method": one.method,
                "occurred_at": one.occurred_at.isoformat() if one.occurred_at else None,
            }
            for one in patch.consents
        ],
        "summary": patch.summary,
        "is_erasure": patch.is_erasure,
    }
    return {name: value for name, value in made.items() if value}


def sample_config(slug: str, settings: Mapping[str, str], secrets: Mapping[str, str]) -> SourceConfig:
    """A configuration of given values alone."""
    return SourceConfig(slug, settings, {name: (value,) for name, value in secrets.items()})
