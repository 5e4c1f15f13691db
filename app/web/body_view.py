"""A stored body for people: pretty JSON, form fields, text, or hex; never anything a browser would run."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

LONGEST_SHOWN = 64 * 1024
HEX_SHOWN = 4 * 1024
HEX_WIDTH = 16
MOST_FIELDS = 1000
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class BodyView:
    """What to show of a body. `form` is the readable form fields, where it is a form post."""

    kind: str  # "JSON", "form", "text", "hex", "empty"
    text: str
    form: tuple[tuple[str, str], ...]
    is_cut: bool
    size: int


def view_body(body: bytes, content_type: str) -> BodyView:
    """Decide how to show the bytes. They stay as they are; only the view is laid out."""
    size, is_cut = len(body), len(body) > LONGEST_SHOWN
    if not body:
        return BodyView("empty", "", (), is_cut=False, size=0)
    text = _as_text(body)
    if text is None:
        return BodyView("hex", hex_lines(body[:HEX_SHOWN]), (), is_cut=size > HEX_SHOWN, size=size)
    if content_type.partition(";")[0].strip().lower() == FORM_TYPE:
        return BodyView("form", text[:LONGEST_SHOWN], _form_fields(text), is_cut=is_cut, size=size)
    pretty = None if is_cut else _pretty_json(text)
    if pretty is not None:
        return BodyView("JSON", pretty, (), is_cut=False, size=size)
    return BodyView("text", text[:LONGEST_SHOWN], (), is_cut=is_cut, size=size)


def _as_text(body: bytes) -> str | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _pretty_json(text: str) -> str | None:
    try:
        value = json.loads(text, parse_float=_Number, parse_int=_Number, object_pairs_hook=_Pairs)
        return _laid_out(value, 0)
    except (ValueError, RecursionError):
        return None


class _Number(str):
    """A number as it was written: laying out must not round it."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written, repeated names included."""


def _laid_out(value: Any, depth: int) -> str:
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, _Pairs):
        lines = [f"{inner}{_quoted(name)}: {_laid_out(child, depth + 1)}" for name, child in value]
        return "{\n" + ",\n".join(lines) + f"\n{outer}}}" if lines else "{}"
    if isinstance(value, list):
        lines = [inner + _laid_out(child, depth + 1) for child in value]
        return "[\n" + ",\n".join(lines) + f"\n{outer}]" if lines else "[]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _form_fields(text: str) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        return ()


def hex_lines(body: bytes) -> str:
    """Offset, bytes, and the printable ASCII among them, 16 to a line."""
    lines = []
    for start in range(0, len(body), HEX_WIDTH):
        row = body[start : start + HEX_WIDTH]
        printable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004 - printable ASCII
        lines.append(f"{start:08x}  {row.hex(' '):<47}  {printable}")
    return "\n".join(lines)
