"""Fixtures of an integration played through its source, and what is derived from them without code of its own.

integrations/<name>/fixtures/<case>.given.json holds a request and a configuration, <case>.expect.json what must come
of it; integrations/README.md describes both.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    EnrichError,
    Event,
    Message,
    RawRequest,
    Reply,
    SourceConfig,
    Unreadable,
)
from integrations.kit.registry import fixtures_folder, get_source
from integrations.kit.strict_json import dump_json
from integrations.kit.times import find_time

MAX_PAGES = 100


@dataclass(frozen=True, slots=True)
class Case:
    """One captured delivery with its configuration and what is expected of it."""

    integration: str
    name: str
    request: RawRequest  # signed already, where the case asks for it
    unsigned: RawRequest
    config: SourceConfig
    now: datetime
    is_signed: bool
    expect: Mapping[str, Any]
    answers: Mapping[str, Any] | None = (
        None  # path -> what the platform's API says, for enrich, backfill, health
    )
    backfill_since: datetime | None = None  # ask the platform for what it kept
    asks_health: bool = False

    @property
    def source(self) -> BaseSource:
        return get_base_source(self.integration)


class ScriptedClient:
    """A platform's API that says what the fixture says; `{"fails": outcome}` is an EnrichError.

    An answer is written for a path, or for `<path>?<query, by name>` where the query matters.
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def get_json(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Any:  # noqa: ARG002
        """The answer written for the path and query, or the path; without one the object is gone."""
        return self._answer(f"{path}?{urlencode(sorted(query.items()))}", path)

    def post_json(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:  # noqa: ARG002
        """The answer written for `POST <path> <body as JSON>`, or `POST <path>`."""
        return self._answer(f"POST {path} {dump_json(body).decode()}", f"POST {path}")

    def _answer(self, *names: str) -> Any:
        found = (self._answers[name] for name in names if name in self._answers)
        answer = next(found, {"fails": "gone"})
        if isinstance(answer, dict) and "fails" in answer:
            raise EnrichError(answer["fails"], "scripted")
        return answer


def get_base_source(integration: str) -> BaseSource:
    """The integration's source, which must say its checks as kit.base.BaseSource does."""
    source = get_source(integration)
    assert isinstance(source, BaseSource), (
        f"{integration}: source is no BaseSource, so nothing can be derived"
    )
    return source


def list_cases(integration: str) -> tuple[Case, ...]:
    """Every case in the integration's fixtures folder, by name."""
    folder = fixtures_folder(integration)
    return tuple(read_case(integration, path) for path in sorted(folder.glob("*.given.json")))


def read_case(integration: str, path: Path) -> Case:
    """One case from its two files."""
    name = path.name.removesuffix(".given.json")
    given = json.loads(path.read_text("utf-8"))
    expect = json.loads(path.with_name(f"{name}.expect.json").read_text("utf-8"))
    now = find_time(given["now"])
    assert now is not None, f"{path.name}: now is no time"
    secrets = {key: tuple(values) for key, values in given.get("secrets", {}).items()}
    config = SourceConfig(given.get("slug", integration), given.get("settings", {}), secrets)
    unsigned = _request(given, path.parent, now)
    request = get_base_source(integration).sign(unsigned, config, now) if given.get("sign") else unsigned
    return Case(
        integration,
        name,
        request,
        unsigned,
        config,
        now,
        bool(given.get("sign")),
        expect,
        given.get("answers"),
        find_time(given.get("backfill_since")),
        bool(given.get("asks_health")),
    )


def play(case: Case) -> dict[str, Any]:
    """What becomes of the case: its challenge, or verdict, reply, events, ignored parts, and enriched events."""
    answer = case.source.challenge(case.request, case.config)
    if answer is not None:
        return {"challenge": reply_as_json(answer)}
    verdict = case.source.verify(case.request, case.config, case.now)
    if not verdict.is_ok:
        refusal = case.source.refusal(case.request, verdict)
        return {"verdict": verdict.reason} | ({"refusal": reply_as_json(refusal)} if refusal else {})
    outcome: dict[str, Any] = {
        "verdict": "ok",
        "reply": reply_as_json(case.source.reply(case.request, case.config)),
    }
    return outcome | _reading(case)


def list_forgeries(case: Case) -> dict[str, Case]:
    """Name -> a variant of a signed case that must be refused: for each check wrong, missing, stale, header twice."""
    made: dict[str, Case] = {}
    for check in case.source.checks:
        secrets = case.config.secrets.get(check.secret, ())
        if not secrets:
            continue
        bare = _signed_without(case, check.secret)
        proved = check.sign(bare, secrets[0], case.now)
        added = [header for header in proved.headers if header not in bare.headers]
        made[f"{check.secret}-wrong"] = replace(
            case, request=check.sign(bare, other_secret(secrets[0]), case.now)
        )
        made[f"{check.secret}-missing"] = replace(case, request=bare)
        made |= {
            f"{check.secret}-{name}-twice": replace(
                case, request=replace(proved, headers=(*proved.headers, (name, text)))
            )
            for name, text in added
        }
        made |= {
            f"{check.secret}-{name}-junk": replace(
                case, request=_with_header(proved, name, "sha256=\xff\xfe")
            )
            for name, _ in added
            if name == check.header
        }
        if check.tolerance_seconds is not None:
            late = timedelta(seconds=check.tolerance_seconds + 60)
            made[f"{check.secret}-stale"] = replace(case, request=proved, now=case.now + late)
            made[f"{check.secret}-from-the-future"] = replace(case, request=proved, now=case.now - late)
    no_secrets = replace(case.config, secrets={})
    made["no-secret-configured"] = replace(case, config=no_secrets)
    return made


def list_rotations(case: Case) -> dict[str, Case]:
    """Name -> a variant that must pass: while a secret is rotated, what the old one signs is still accepted."""
    made = {}
    for check in case.source.checks:
        secrets = case.config.secrets.get(check.secret, ())
        if secrets:
            both = {**case.config.secrets, check.secret: (other_secret(secrets[0]), secrets[0])}
            made[f"{check.secret}-rotated"] = replace(case, config=replace(case.config, secrets=both))
    return made


def other_secret(secret: str) -> str:
    """A secret of the same form that is not the same."""
    middle = len(secret) // 2
    return secret[:middle] + ("A" if secret[middle] != "A" else "B") + secret[middle + 1 :]


def reply_as_json(reply: Reply) -> dict[str, Any]:
    """A reply as it stands in a fixture."""
    return {
        "status": reply.status,
        "body": reply.body.decode("utf-8"),
        "content_type": reply.content_type,
        "headers": dict(reply.headers),
    }


def event_as_json(event: Event) -> dict[str, Any]:
    """An event as it stands in a fixture; what is empty is left out."""
    made = {
        "key": event.key,
        "kind": event.kind,
        "content": event.content,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
        "account": event.account,
        "needs_enrich": event.needs_enrich,
        "is_erasure": event.is_erasure,
        "message": message_as_json(event.message) if event.message else None,
    }
    return {name: value for name, value in made.items() if value or name in ("key", "kind", "content")}


def message_as_json(message: Message) -> dict[str, Any]:
    """A message as it stands in a fixture; what is empty is left out."""
    return {name: value for name, value in asdict(message).items() if value not in ("", None)}


def enrich_all(case: Case, events: tuple[Event, ...]) -> list[Event | EnrichError]:
    """Each event with its content fetched from the case's answers, or why not."""
    client = ScriptedClient(case.answers or {})
    made: list[Event | EnrichError] = []
    for event in events:
        try:
            made.append(case.source.enrich(event, case.config, client) if event.needs_enrich else event)
        except EnrichError as error:
            made.append(error)
    return made


def _reading(case: Case) -> dict[str, Any]:
    try:
        split = case.source.split(case.request, case.config)
    except Unreadable as error:
        return {"unreadable": error.reason, "events": [], "ignored": []}
    made: dict[str, Any] = {
        "events": [event_as_json(event) for event in split.events],
        "ignored": [{"kind": part.kind, "reason": part.reason} for part in split.ignored],
    }
    if case.answers is not None:
        made["enriched"] = [
            {"fails": each.outcome} if isinstance(each, EnrichError) else event_as_json(each)
            for each in enrich_all(case, split.events)
        ]
    return made | _asked(case)


def _asked(case: Case) -> dict[str, Any]:
    """What the platform's API says when it is asked for what it kept, and whether it still sends."""
    client = ScriptedClient(case.answers or {})
    made: dict[str, Any] = {}
    if case.backfill_since is not None:
        made["backfilled"] = _backfilled(case, client, case.backfill_since)
    if case.asks_health:
        try:
            made["health"] = case.source.health(case.config, client).state
        except EnrichError as error:
            made["health"] = {"fails": error.outcome}
    return made


def _backfilled(case: Case, client: ScriptedClient, since: datetime) -> list[dict[str, Any]] | dict[str, Any]:
    """The events behind every page, as the inbox splits them."""
    made: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(MAX_PAGES):
        try:
            page = case.source.backfill(case.config, since, cursor, client)
        except EnrichError as error:
            return {"fails": error.outcome}
        for body in page.bodies:
            bare = replace(
                case.request, method="POST", headers=(("content-type", page.content_type),), body=body
            )
            made += [event_as_json(event) for event in case.source.split(bare, case.config).events]
        cursor = page.cursor
        if not cursor:
            break
    return made


def _request(given: Mapping[str, Any], folder: Path, now: datetime) -> RawRequest:
    headers = tuple((name.lower(), value) for name, value in given.get("headers", {}).items())
    query = tuple(given.get("query", {}).items())
    return RawRequest(
        method=given.get("method", "POST"),
        url=given.get("url", "https://muster.example/hooks/fixture"),
        headers=headers,
        body=_body(given, folder),
        query=query,
        url_key=given.get("url_key", ""),
        received_at=now,
    )


def _body(given: Mapping[str, Any], folder: Path) -> bytes:
    if "body_file" in given:
        return folder.joinpath(given["body_file"]).read_bytes()
    if "body_b64" in given:
        return base64.b64decode(given["body_b64"])
    return str(given.get("body", "")).encode("utf-8")


def _signed_without(case: Case, secret: str) -> RawRequest:
    others = {name: values for name, values in case.config.secrets.items() if name != secret}
    return case.source.sign(case.unsigned, replace(case.config, secrets=others), case.now)


def _with_header(request: RawRequest, name: str, text: str) -> RawRequest:
    headers = tuple((known, text if known == name else value) for known, value in request.headers)
    return replace(request, headers=headers)
