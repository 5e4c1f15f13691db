"""What was posted: forms and JSON read into entries, and the mark by which a repeat is known."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from integrations.kit.contract import Ignored, RawRequest, Unreadable
from integrations.kit.forms import load_form
from integrations.kit.keys import digest_of, digest_of_bytes
from integrations.kit.multipart import media_type
from integrations.kit.strict_json import load_json, safe_text
from integrations.website.builders import plain

NONCE_NAMES = ("_nonce", "form_token")
# How long the form stood open, in seconds, as the page's script counts it (README, embed snippet).
ELAPSED_NAME = "_elapsed_seconds"
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# No type, or the one fetch() gives a plain string: the first character decides.
_UNTYPED = frozenset({"", "text/plain", "application/octet-stream"})
_TOO_FAST = Ignored("time_trap", "the form was sent back sooner than people can type")
_DROPPED = Ignored("field", "a field name that no form needs was left out")
_HONEYPOT = Ignored("honeypot", "the field that people do not see was filled in")
_EMPTY = Ignored("empty", "the form has no field with a value")


@dataclass(frozen=True, slots=True)
class Entry:
    """One form or one JSON object."""

    kind: str  # "form" or "json"
    content: dict[str, Any]
    digest: str
    has_nonce: bool


@dataclass(frozen=True, slots=True)
class Traps:
    """What tells robots from people: a field that people do not see, and the least time they need."""

    honeypot: str
    least_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Entries:
    """Everything in one post."""

    accepted: tuple[Entry, ...]
    ignored: tuple[Ignored, ...]


def is_json(request: RawRequest) -> bool:
    """Whether the body is JSON by its type, or by its first character where the type says nothing."""
    kind, _ = media_type(request.header("content-type") or "")
    if kind in _UNTYPED:
        return request.body.lstrip()[:1] in (b"{", b"[")
    return kind == "application/json" or kind.endswith("+json")


def fingerprint(request: RawRequest) -> tuple[str, bool]:
    """The digest of the body and whether it carries a nonce. Never raises.

    A browser makes a new multipart boundary for each click, so a second click is another delivery there; its event is
    the same and has no effect. The nonce is part of the digest and does not replace it: a page from a cache hands one
    nonce to everybody.
    """
    body = request.body
    digest = digest_of_bytes(body)
    if not any(name.encode() in body for name in NONCE_NAMES):
        return digest, False
    try:
        contents, _ = _read(request)
    except Unreadable:
        return digest, False
    return digest, any(_has_nonce(content) for content in contents)


def read_entries(request: RawRequest, traps: Traps) -> Entries:
    """The entries, each with the page it came from; or Unreadable."""
    contents, ignored = _read(request)
    page = _page(request)
    accepted = []
    for written in contents:
        refusal = _find_refusal(written, traps)
        content = plain({name: value for name, value in written.items() if name != ELAPSED_NAME})
        refusal = refusal or _find_refusal(content, traps)
        if refusal:
            ignored.append(refusal)
        else:
            kind = "json" if is_json(request) else "form"
            accepted.append(Entry(kind, {**content, **page}, _digest(content), _has_nonce(content)))
    return Entries(tuple(accepted), tuple(ignored))


def _read(request: RawRequest) -> tuple[list[dict[str, Any]], list[Ignored]]:
    if is_json(request):
        return _json_objects(load_json(request.body)), []
    content_type = request.header("content-type") or ""
    kind, _ = media_type(content_type)
    if kind not in _FORM_TYPES | _UNTYPED:
        raise Unreadable(
            "the content type is neither a form nor JSON",
            "Post a form, or JSON with the type application/json.",
            path="content-type",
            value=kind,
        )
    form = load_form(request.body, content_type)
    return [form.fields], [_file(name) for name in form.files] + [_DROPPED] * len(form.dropped)


def _file(name: str) -> Ignored:
    return Ignored("file", f"the file in the field {name[:60]!r} was left out: forms bring no files here")


def _json_objects(value: Any) -> list[dict[str, Any]]:
    objects = value if isinstance(value, list) else [value]
    for index, each in enumerate(objects):
        if not isinstance(each, dict):
            where = f"[{index}]" if isinstance(value, list) else ""
            raise Unreadable(
                "the JSON is no object", "Post one object, or a list of objects.", where, str(each)
            )
    return objects


def _find_refusal(content: dict[str, Any], traps: Traps) -> Ignored | None:
    if not any(value not in ("", [], {}, None) for name, value in content.items() if name != ELAPSED_NAME):
        return _EMPTY
    trap = content.get(traps.honeypot)
    filled = trap if isinstance(trap, list) else [trap]
    if any(isinstance(each, str) and each.strip() for each in filled):
        return _HONEYPOT
    return _TOO_FAST if _is_too_fast(content.get(ELAPSED_NAME), traps.least_seconds) else None


def _is_too_fast(elapsed: Any, least_seconds: float) -> bool:
    """Whether the page's script counted less. Where it counted nothing (no scripts) nobody is turned away."""
    if least_seconds <= 0 or elapsed in (None, ""):
        return False
    try:
        return not float(elapsed) >= least_seconds  # "not >=", so that nan is too fast as well
    except (TypeError, ValueError):
        return True


def _digest(content: dict[str, Any]) -> str:
    """Of the answers; the page they were given on is no answer."""
    return digest_of({name: value for name, value in content.items() if name != "_page"})


def _has_nonce(content: dict[str, Any]) -> bool:
    return any(isinstance(content.get(name), str) and content[name].strip() for name in NONCE_NAMES)


def _page(request: RawRequest) -> dict[str, str]:
    """The page the form stands on, without query and fragment: they may carry what concerns nobody here."""
    try:
        parts = urlsplit(request.header("referer") or "")
    except ValueError:
        return {}
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return {}
    return {"_page": safe_text(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")}
