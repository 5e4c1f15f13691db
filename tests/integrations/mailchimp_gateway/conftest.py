"""A simulator on a free port, a gateway to it, and the official definition where the shared folder is there."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from werkzeug.wrappers import Request, Response

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator

DEFINITION = "mailchimp/openapi-subset.json"


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(SimulatorConfig(port=0, webhook_retry_seconds=(0.05, 0.1))) as running:
        yield running


@pytest.fixture
def gateway(simulator: RunningSimulator) -> Iterator[Gateway]:
    gateway = Gateway(
        simulator.url, simulator.config.api_key, deadline_seconds=5.0, bulk_deadline_seconds=10.0
    )
    yield gateway
    gateway.close()


@pytest.fixture
def list_id(simulator: RunningSimulator) -> str:
    return simulator.config.list_id


class Contract:
    """Checks each request and answer that passes a WSGI application; `violations` names what is wrong."""

    def __init__(self, definition: Path) -> None:
        config = Config(
            extra_media_type_deserializers={"application/problem+json": lambda body, **_: json.loads(body)}
        )
        self._openapi = OpenAPI.from_dict(json.loads(definition.read_text()), config=config)
        self.violations: list[str] = []
        self.check_count = 0

    def watch(self, application):
        def watched(environ, start_response):
            body = environ["wsgi.input"].read()
            kept = []

            def keep(status, headers, info=None):
                kept.append((status, headers))
                return start_response(status, headers, info)

            inner = {**environ, "wsgi.input": io.BytesIO(body)}
            content = b"".join(application(inner, keep))
            environ.update({key: inner[key] for key in inner if key.startswith("muster.")})
            if environ["PATH_INFO"].startswith("/3.0"):
                self._check(environ, body, kept[0], content)
            return [content]

        return watched

    def _check(self, environ, body, head, content) -> None:
        self.check_count += 1
        request = Request({**environ, "wsgi.input": io.BytesIO(body)})
        status, headers = head
        where = f"{request.method} {request.path} {status}"
        wanted = WerkzeugOpenAPIRequest(request)
        answered = WerkzeugOpenAPIResponse(Response(content, status=status, headers=headers))
        # Refused on purpose: the definition holds for what Muster sends, not for what a test misspells.
        if not status.startswith("4"):
            self._note(where, lambda: self._openapi.validate_request(wanted))
        # Recorded: a 204 has no content though it names a type; a Member Exists lacks the type it must have.
        if not status.startswith("204") and b'"type"' in content + b'"type"' * (not status.startswith("4")):
            self._note(where, lambda: self._openapi.validate_response(wanted, answered))

    def _note(self, where, check) -> None:
        try:
            check()
        except OpenAPIError as problem:
            cause = problem.__cause__ or problem
            details = "; ".join(str(error.message) for error in getattr(cause, "schema_errors", ()))
            self.violations.append(f"{where}: {type(problem).__name__} {cause} {details}"[:600])


@pytest.fixture
def contract(simulator: RunningSimulator, shared: Path) -> Contract:
    contract = Contract(shared / DEFINITION)
    handler = simulator.server.RequestHandlerClass
    handler.application = staticmethod(contract.watch(handler.application))
    return contract
