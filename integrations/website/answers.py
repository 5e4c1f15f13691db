"""What a browser or a script gets back: a redirect to the configured page and nowhere else, JSON, or a small page."""

import re

from integrations.kit.contract import RawRequest, Reply, SourceConfig
from integrations.kit.strict_json import dump_json, safe_text
from integrations.website.entries import is_json
from integrations.website.origins import find_allowed_origin, find_origin

_JSON = Reply(200, b'{"status":"received"}', "application/json")
_PAGE = Reply(
    200,
    b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    b'<meta name="viewport" content="width=device-width, initial-scale=1"><title>Thank you</title></head>\n'
    b"<body><h1>Thank you</h1><p>We have received your message.</p></body></html>\n",
    "text/html; charset=utf-8",
)
_PAGE_WITHOUT_FILES = Reply(
    200,
    _PAGE.body.replace(
        b"</p></body>", b" Files cannot be sent with this form; please send them another way.</p></body>"
    ),
    _PAGE.content_type,
)
# A part of a multipart form that brings a file: the field's name, and a file name that is not empty.
_FILE_PART = re.compile(rb'name="([^"\r\n]{1,80})";\s*filename="[^"\r\n]')
_MOST_FILES = 20
# One whole address, without anything that could end a header line or hide another host before an @.
_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f\x7f\\@/?#]+([/?#][^\s\x00-\x1f\x7f\\]*)?", re.ASCII)


def answer(request: RawRequest, config: SourceConfig) -> Reply:
    """Decided by the request's kind and by configuration; nothing the visitor sends names the address."""
    headers = _cors(request, config)
    files = _list_files(request)
    if _is_script(request):
        body = dump_json({"status": "received", "files_left_out": files}) if files else _JSON.body
        return Reply(_JSON.status, body, _JSON.content_type, headers)
    address = find_page_address(config)
    if address is None:
        page = _PAGE_WITHOUT_FILES if files else _PAGE
        return Reply(page.status, page.body, page.content_type, headers)
    return Reply(303, headers=(*headers, ("location", address)))


def preflight(request: RawRequest, config: SourceConfig) -> Reply:
    """204; with leave to post for an allowed origin, without it for any other."""
    allowed = _cors(request, config)
    if not allowed:
        return Reply(204)
    leave = (
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-max-age", "600"),
    )
    return Reply(204, headers=(*allowed, *leave))


def find_page_address(config: SourceConfig) -> str | None:
    """The configured thank-you address, when a browser can be sent there."""
    address = config.settings.get("thank_you_url", "").strip()
    is_whole = bool(_ADDRESS.fullmatch(address)) and find_origin(address) is not None
    return address if is_whole else None


def _list_files(request: RawRequest) -> list[str]:
    """The fields whose files are left out, to say so politely; the form itself is read later, in a worker."""
    if not (request.header("content-type") or "").lower().startswith("multipart/form-data"):
        return []
    names = (found[1].decode("utf-8", errors="replace") for found in _FILE_PART.finditer(request.body))
    return list(dict.fromkeys(safe_text(name) for name, _ in zip(names, range(_MOST_FILES), strict=False)))


def _is_script(request: RawRequest) -> bool:
    """JSON, fetch() and XMLHttpRequest read the answer themselves; a form's answer is shown to a person."""
    mode = request.header("sec-fetch-mode")
    accepted = request.header("accept") or ""
    wants_json = "application/json" in accepted and "text/html" not in accepted
    is_xhr = (request.header("x-requested-with") or "").lower() == "xmlhttprequest"
    return is_json(request) or wants_json or is_xhr or mode in ("cors", "no-cors", "same-origin")


def _cors(request: RawRequest, config: SourceConfig) -> tuple[tuple[str, str], ...]:
    origin = find_allowed_origin(request, config)
    return (("access-control-allow-origin", origin), ("vary", "Origin")) if origin else ()
