"""HTML form posts: urlencoded and multipart bodies read into the nested values that a mapping sees."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from integrations.kit.contract import Unreadable
from integrations.kit.form_names import nest
from integrations.kit.multipart import Part, media_type, read_parts

MAX_FIELDS = 500

_LONGEST_CACHED = 200
_FIRST_LINES = re.compile(rb"--([\x21-\x7e]{1,70})\r?\nContent-Disposition: form-data;", re.IGNORECASE)

# The label a page may declare -> the codec to read it with. Browsers read "latin-1" as windows-1252
# (https://encoding.spec.whatwg.org/#names-and-labels, seen 2026-11-21). Codecs outside the table are not used: Python
# has some that are no character sets at all.
CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "windows-1252": "cp1252",
    "iso-8859-2": "iso8859_2",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "iso-8859-15": "iso8859_15",
    "koi8-r": "koi8_r",
    "shift_jis": "shift_jis",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
    "big5": "big5",
    "gbk": "gbk",
    "gb18030": "gb18030",
}


@dataclass(frozen=True, slots=True)
class Form:
    """A form as parsed. `files` names the fields whose uploads were left out, `dropped` the names nobody may use."""

    fields: dict[str, Any]
    files: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def strict_form(body: bytes, content_type: str) -> dict[str, Any]:
    """The fields alone, for senders that never upload files."""
    return load_form(body, content_type).fields


def load_form(body: bytes, content_type: str) -> Form:
    """The form in `body`, or Unreadable.

    Repeated names and `name[]` become lists, `a[b][c]` nests, order and blank values stay. At most 500 fields and
    7 levels. Text is read in the declared charset (`_charset_` field, then the content type), else as UTF-8, else
    (old pages that declare nothing) as windows-1252. U+0000 becomes U+FFFD. A multipart body that lost its content type on
    the way is known by its first two lines.
    """
    kind, options = media_type(content_type)
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        kind, options = _sniffed(body) or (kind, options)
    if kind == "multipart/form-data":
        parts = read_parts(body, options.get("boundary", b""), MAX_FIELDS)
        pairs = [(part.name, part.body) for part in parts if not part.is_file]
    else:
        parts, pairs = (), _urlencoded(body)
    charsets = {part.name: CHARSETS[part.charset] for part in parts if part.charset in CHARSETS}
    charset = _declared(pairs, options)
    texts = None if charset or charsets else _find_utf8(pairs)
    if texts is None:
        charset = charset or _guessed(pairs)
        texts = [(_text(name, charset), _text(value, charsets.get(name, charset))) for name, value in pairs]
    fields, dropped = nest(texts)
    return Form(fields, _files(parts, charset or "utf-8"), dropped)


def _sniffed(body: bytes) -> tuple[str, Mapping[str, bytes]] | None:
    found = _FIRST_LINES.match(body)
    return ("multipart/form-data", {"boundary": found[1]}) if found else None


def _urlencoded(body: bytes) -> list[tuple[bytes, bytes]]:
    if body.count(b"&") >= MAX_FIELDS:
        raise Unreadable(f"the form has more than {MAX_FIELDS} fields", "Send fewer fields, or post JSON.")
    pairs = []
    for piece in body.strip(b"\r\n").replace(b"+", b" ").split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            unquoted = _unquote_name(name) if len(name) <= _LONGEST_CACHED else _unquote(name)
            pairs.append((unquoted, unquote_to_bytes(value) if b"%" in value else value))
    return pairs


def _unquote(text: bytes) -> bytes:
    """%XX undone; a percent sign that starts no such triple stays (linear also for a megabyte of percent signs)."""
    return unquote_to_bytes(text) if b"%" in text else text


@lru_cache(maxsize=4096)  # a form's names are the same in every delivery
def _unquote_name(name: bytes) -> bytes:
    return _unquote(name)


def _declared(pairs: list[tuple[bytes, bytes]], options: Mapping[str, bytes]) -> str | None:
    labels = [value for name, value in pairs if name == b"_charset_"] + [options.get("charset", b"")]
    found = (CHARSETS.get(label.decode("latin-1").strip().lower()) for label in labels)
    return next((codec for codec in found if codec), None)


def _find_utf8(pairs: list[tuple[bytes, bytes]]) -> list[tuple[str, str]] | None:
    """The texts of a form that is UTF-8 without U+0000, as nearly all are; None for any other."""
    try:
        texts = [(name.decode(), value.decode()) for name, value in pairs]
    except UnicodeDecodeError:
        return None
    return None if any("\x00" in value or "\x00" in name for name, value in texts) else texts


def _guessed(pairs: list[tuple[bytes, bytes]]) -> str:
    try:
        for name, value in pairs:
            name.decode("utf-8")
            value.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _text(raw: bytes, charset: str) -> str:
    # No codec of the table makes lone surrogates, so U+0000 is all that PostgreSQL could not hold.
    return raw.decode(charset, errors="replace").replace("\x00", "\ufffd")


def _files(parts: tuple[Part, ...], charset: str) -> tuple[str, ...]:
    # A file input left empty still sends a part, with no name and no bytes: nothing was uploaded.
    return tuple(_text(part.name, charset) for part in parts if part.is_file and (part.filename or part.body))
