"""The one JSON reader of the integrations: strict, bounded, and safe for PostgreSQL's jsonb."""

import json
import re
from collections import Counter
from typing import Any, NoReturn

from integrations.kit.contract import Unreadable

MAX_DEPTH = 64

# A string, closed or not: with the possessive quantifier and the end of the text as a second way out, the pattern
# eats every string once, so a million quotes cost a million steps and not their square.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_A_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
# What json.loads can turn into a character that PostgreSQL refuses: U+0000 and half a surrogate pair.
_UNSAFE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_HINT = "Ask the sender for one JSON document in UTF-8; the raw bytes are kept with the delivery."


def load_json(body: bytes) -> Any:
    """The value in `body`, or Unreadable.

    Refused: bytes that are not UTF-8, more than 64 levels, a name twice in one object, NaN, Infinity, numbers
    beyond a double, integers longer than Python reads (4,300 digits). One byte order mark in front is skipped.
    U+0000 and lone surrogates, which jsonb cannot hold, become U+FFFD in names and values.
    """
    text = _decode(body)
    _check_depth(body)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"not JSON: {error.msg} at {where}", _HINT, path=where) from None
    except ValueError:
        raise Unreadable("a number in the JSON has too many digits", _HINT) from None
    return _safe(value) if _UNSAFE_ESCAPE.search(body) else value


def load_object(body: bytes, hint: str) -> dict[str, Any]:
    """The JSON object in `body`, or Unreadable; `hint` says what the platform sends."""
    value = load_json(body)
    if not isinstance(value, dict):
        raise Unreadable("the JSON is no object", hint)
    return value


def dump_json(value: Any) -> bytes:
    """A parsed document as bytes again, in the least room."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def safe_text(text: str) -> str:
    """The text with U+0000 and lone surrogates replaced by U+FFFD, the character that says "something was here"."""
    return _UNSAFE.sub("\ufffd", text)


def _decode(body: bytes) -> str:
    if not body.strip():
        raise Unreadable("the body is empty", "A delivery needs a body; check the sender's settings.")
    try:
        return body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        where = f"byte {error.start}"
        raise Unreadable(f"the body is not UTF-8 at {where}", _HINT, path=where) from None


def _check_depth(body: bytes) -> None:
    """Raise before parsing when brackets outside strings stand deeper than the cap (RecursionError never comes up)."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for byte in _STRING.sub(b"", body).translate(None, _NOT_A_BRACKET):
        depth += 1 if byte in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Unreadable(f"the JSON is nested deeper than {MAX_DEPTH} levels", _HINT)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        hint = "Two values for one name: no rule can tell which is meant."
        raise Unreadable("a name stands twice in one JSON object", hint, twice[:80])
    return made


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise Unreadable("a number in the JSON is too large", _HINT, value=digits)
    return value


def _constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not a JSON number", _HINT, value=name)


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, list):
        return [_safe(each) for each in value]
    if isinstance(value, dict):
        return _pairs([(safe_text(name), _safe(each)) for name, each in value.items()])
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_float, parse_constant=_constant)
