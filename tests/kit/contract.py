"""Whether traffic keeps to Mailchimp's definition: recorded at a simulator or at a gateway, checked afterwards.

    with recorded(simulator) as exchanges:
        ...                                        # whatever talks to it
    assert [] == violations(exchanges, load_definition(shared / DEFINITION))

Without the official definition, `small_definition()` holds for the calls that Muster makes most.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from tests.kit.small_definition import SMALL

DEFINITION = "mailchimp/openapi-subset.json"
API_ROOT = "/3.0"
NO_CONTENT = 204


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as bytes."""

    method: str
    path: str  # from /3.0 on
    query: str
    body: bytes
    status: int
    answer: bytes
    content_type: str = "application/json"

    @property
    def where(self) -> str:
        return f"{self.method} {self.path} {self.status}"


@dataclass(frozen=True)
class Definition:
    """An OpenAPI document, ready to check by. A partial one says nothing of paths that it lacks."""

    openapi: OpenAPI
    paths: Mapping[str, Any]
    is_partial: bool = False

    def find_operation(self, exchange: Exchange) -> Mapping[str, Any] | None:
        """The operation that the request is for, or None where there is none."""
        path = exchange.path.removeprefix(API_ROOT) or "/"
        for template, operations in sorted(self.paths.items(), key=lambda one: one[0].count("{")):
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and exchange.method.lower() in operations:
                found: Mapping[str, Any] = operations[exchange.method.lower()]
                return found
        return None


@lru_cache(maxsize=4)
def load_definition(path: Path) -> Definition:
    """The official definition, read once."""
    document = _without_discriminators(json.loads(path.read_text()))
    _let_batches_show_archived(document)
    return _definition(document)


def _let_batches_show_archived(document: Any) -> None:
    """A member that is archived is so in every answer; the batch's description alone forgot the sixth status.

    Archiving came after it (definition 3.0.55: all five paths of a single member have six statuses, seen 2026-11).
    """
    answer = document["paths"]["/lists/{list_id}"]["post"]["responses"]["200"]["content"]["application/json"]
    for members in ("new_members", "updated_members"):
        statuses = answer["schema"]["properties"][members]["items"]["properties"]["status"]["enum"]
        if "archived" not in statuses:
            statuses.append("archived")


def _without_discriminators(node: Any) -> Any:
    """The activity feed's inline choices carry a discriminator, which OpenAPI 3.0 has only for referenced ones."""
    if isinstance(node, dict):
        return {
            name: _without_discriminators(inner) for name, inner in node.items() if name != "discriminator"
        }
    return [_without_discriminators(one) for one in node] if isinstance(node, list) else node


@lru_cache(maxsize=1)
def small_definition() -> Definition:
    """Our own short description of the calls that Muster makes most."""
    return _definition(SMALL, is_partial=True)


def _definition(document: Mapping[str, Any], *, is_partial: bool = False) -> Definition:
    config = Config(
        extra_media_type_deserializers={"application/problem+json": lambda body, **_: json.loads(body)}
    )
    return Definition(OpenAPI.from_dict(document, config=config), document["paths"], is_partial)


@contextmanager
def recorded(simulator: Any) -> Iterator[list[Exchange]]:
    """All traffic of a simulator running in this process, as long as the block lasts."""
    exchanges: list[Exchange] = []
    handler = simulator.server.RequestHandlerClass
    before = handler.application
    handler.application = staticmethod(_watched(before, exchanges))
    try:
        yield exchanges
    finally:
        handler.application = staticmethod(before)


def _watched(application: Callable[..., Iterable[bytes]], exchanges: list[Exchange]) -> Callable[..., Any]:
    def watched(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        seen: list[tuple[str, list[tuple[str, str]]]] = []

        def keep(status: str, headers: list[tuple[str, str]], info: Any = None) -> Any:
            seen.append((status, headers))
            return start_response(status, headers, info)

        answer = b"".join(application(environ, keep))
        if environ["PATH_INFO"].startswith(API_ROOT) and "muster.cut" not in environ:
            status, headers = seen[-1]
            kind = {name.lower(): value for name, value in headers}.get("content-type", "")
            exchanges.append(
                Exchange(
                    environ["REQUEST_METHOD"],
                    environ["PATH_INFO"],
                    environ["QUERY_STRING"],
                    body,
                    int(status[:3]),
                    answer,
                    kind,
                )
            )
        return [answer]

    return watched


@contextmanager
def overheard(gateway: Any) -> Iterator[list[Exchange]]:
    """All calls of a gateway that were answered, whoever answered: for a live account."""
    exchanges: list[Exchange] = []
    transport = gateway._transport
    send = transport._send

    def listen(request: Any, where: str) -> tuple[int, bytes, str | None]:
        status, answer, wait = send(request, where)
        url, body = urlsplit(request.url), request.body or b""
        path = url.path[url.path.index(API_ROOT) :]
        is_problem = b'"status"' in answer[:400] and status >= 400
        kind = "application/problem+json" if is_problem else "application/json"
        exchanges.append(Exchange(request.method, path, url.query, body, status, answer, kind))
        return status, answer, wait

    transport._send = listen
    try:
        yield exchanges
    finally:
        transport._send = send


def violations(
    journal: Iterable[Exchange],
    definition: Definition,
    *,
    are_faults_expected: bool = False,
    most_alike: int | None = None,
) -> list[str]:
    """What in the traffic the definition forbids, in words.

    `are_faults_expected`: answers that are no JSON were spoilt on purpose. `most_alike`: of exchanges with the same
    method, path (but for ids) and status, so many are checked: for long runs.
    """
    exchanges = list(_some(journal, most_alike))
    return request_violations(exchanges, definition) + answer_violations(
        exchanges, definition, are_faults_expected=are_faults_expected
    )


def request_violations(journal: Iterable[Exchange], definition: Definition) -> list[str]:
    """What Muster should not have sent."""
    found: list[str] = []
    for exchange in journal:
        operation = definition.find_operation(exchange)
        if operation is None:
            found += [] if definition.is_partial else [f"{exchange.where}: the definition has no such call"]
            continue
        known = {one["name"] for one in operation.get("parameters", ())}
        sent = {name for name, _ in parse_qsl(exchange.query, keep_blank_values=True)}
        found += [f"{exchange.where}: ?{name}= is not in the definition" for name in sorted(sent - known)]
        found += [
            f"{exchange.where}: {path} is not in the definition" for path in _unknown(operation, exchange)
        ]
        found += _noted(exchange, lambda one=exchange: definition.openapi.validate_request(_request(one)))
    return found


def answer_violations(
    journal: Iterable[Exchange], definition: Definition, *, are_faults_expected: bool = False
) -> list[str]:
    """What the simulator should not have answered."""
    found: list[str] = []
    for exchange in journal:
        is_spoilt = are_faults_expected and not _is_json(exchange.answer)
        if exchange.status == NO_CONTENT or is_spoilt or definition.find_operation(exchange) is None:
            continue
        found += _noted(
            exchange,
            lambda one=exchange: definition.openapi.validate_response(_request(one), _response(one)),
        )
    return found


def _some(journal: Iterable[Exchange], most_alike: int | None) -> Iterator[Exchange]:
    seen: Counter[tuple[str, str, int]] = Counter()
    for exchange in journal:
        kind = (exchange.method, re.sub(r"[^/]*\d[^/]*", "*", exchange.path), exchange.status)
        seen[kind] += 1
        if most_alike is None or seen[kind] <= most_alike:
            yield exchange


def _request(exchange: Exchange) -> WerkzeugOpenAPIRequest:
    environ = EnvironBuilder(
        path=exchange.path.removeprefix(API_ROOT) or "/",
        base_url=f"https://us1.api.mailchimp.com{API_ROOT}",
        method=exchange.method,
        query_string=exchange.query,
        data=exchange.body,
        content_type="application/json" if exchange.body else None,
        headers={"Authorization": "Basic bXVzdGVyOmtleQ=="},
    ).get_environ()
    return WerkzeugOpenAPIRequest(Request(environ))


def _response(exchange: Exchange) -> WerkzeugOpenAPIResponse:
    return WerkzeugOpenAPIResponse(
        Response(exchange.answer, status=exchange.status, content_type=exchange.content_type)
    )


def _noted(exchange: Exchange, check: Callable[[], Any]) -> list[str]:
    try:
        check()
    except OpenAPIError as problem:
        cause = problem.__cause__ or problem
        errors = getattr(cause, "schema_errors", ())
        details = "; ".join(f"{error.json_path}: {error.message[-200:]}" for error in errors)
        return [f"{exchange.where}: {type(problem).__name__} {details or cause}"[:600]]
    return []


def _unknown(operation: Mapping[str, Any], exchange: Exchange) -> Iterator[str]:
    """Names in the body that the definition does not have: a typing error would otherwise pass unnoticed."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if content.get("schema") and _is_json(exchange.body):
        yield from _unknown_in(content["schema"], json.loads(exchange.body), "")


def _unknown_in(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for one in value[:20]:
            yield from _unknown_in(schema.get("items", {}), one, f"{path}[]")
    elif isinstance(value, dict) and "properties" in schema and "additionalProperties" not in schema:
        for name, inner in value.items():
            if name not in schema["properties"]:
                yield f"{path}.{name}"
            else:
                yield from _unknown_in(schema["properties"][name], inner, f"{path}.{name}")


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
