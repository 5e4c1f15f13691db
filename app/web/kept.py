"""What is kept of a request: allowed headers, the query without keys, the body as the integration stores it. Pure."""

import hashlib
import re

from app.inbox.received import NewDelivery, pairs_json, stored_key
from app.sources.loaded import LoadedSource
from integrations.kit.contract import RawRequest

LONGEST_VALUE = 4_096
# Parameters whose names say that their values open something.
_SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:key|sig|hash|pass|auth|code)(?:$|[^a-z])|token|signature|secret|hmac|password|credential|api_?key",
    re.IGNORECASE,
)


def kept_headers(source: LoadedSource, request: RawRequest) -> list[tuple[str, str]]:
    """The headers on the integration's allow-list, in their order."""
    allowed = source.source.stored_headers
    return [(name, value[:LONGEST_VALUE]) for name, value in request.headers if name in allowed]


def kept_query(request: RawRequest) -> list[tuple[str, str]]:
    """The query less keys, tokens and signatures, whatever form they take."""
    return [
        (name, value[:LONGEST_VALUE])
        for name, value in request.query
        if not _SECRET_NAME.search(name) and (not request.url_key or value != request.url_key)
    ]


def to_delivery(source: LoadedSource, request: RawRequest) -> NewDelivery:
    """The row for the inbox."""
    assert request.received_at is not None
    body = source.source.stored_body(request, source.config)
    content_type = next((value for name, value in request.headers if name == "content-type"), "")
    return NewDelivery(
        source_id=source.id,
        key=stored_key(source.source.delivery_key(request, source.config), request.received_at.timestamp()),
        method=request.method,
        content_type=content_type[:LONGEST_VALUE].replace("\x00", ""),
        headers=pairs_json(kept_headers(source, request)),
        query=pairs_json(kept_query(request)) if request.query else "[]",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
    )
