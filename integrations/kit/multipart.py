"""multipart/form-data split into its parts by the python-multipart library, with bounds and plain reasons."""

import binascii
import quopri
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from integrations.kit.contract import Unreadable

_LONGEST_CACHED = 200
_HINT = "Send the form again; a proxy or the sending program may have cut the body or changed its boundary."
# A part's headers in their usual form: nothing encoded, nothing beyond printable ASCII, no charset of its own.
_PLAIN = rb"[\x20\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]*"  # without quote, semicolon and backslash
_PLAIN_HEADERS = re.compile(
    rb'\r\ncontent-disposition: form-data; name="(?P<name>' + _PLAIN + rb')"'
    rb'(?:; filename="(?P<filename>' + _PLAIN + rb')")?(?:\r\ncontent-type: [a-z0-9.+-]+/[a-z0-9.+-]+)?',
    re.IGNORECASE,
)
# How browsers escape the three characters that cannot stand in a quoted name
# (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data, seen 2026-11-21).
_ESCAPES = ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n"))


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the form; `name` and `filename` as bytes in the form's charset, which is not known yet."""

    name: bytes
    body: bytes
    filename: bytes | None = None
    charset: str = ""  # declared by the part itself, lower case

    @property
    def is_file(self) -> bool:
        return self.filename is not None


def media_type(content_type: str) -> tuple[str, Mapping[str, bytes]]:
    """The type in lower case and its parameters, names in lower case; ("", {}) for what is no content type."""
    is_short = len(content_type) <= _LONGEST_CACHED
    return _known_media_type(content_type) if is_short else _media_type(content_type)


@lru_cache(maxsize=256)  # the same few, over and over; boundaries of browsers come and go
def _known_media_type(content_type: str) -> tuple[str, Mapping[str, bytes]]:
    return _media_type(content_type)


def _media_type(content_type: str) -> tuple[str, Mapping[str, bytes]]:
    kind, options = parse_options_header(content_type.encode("latin-1", errors="replace"))
    return kind.decode("latin-1"), {name.decode("latin-1").lower(): value for name, value in options.items()}


def read_parts(body: bytes, boundary: bytes, max_parts: int) -> tuple[Part, ...]:
    """Every part in order, or Unreadable when the body does not hold together to its closing boundary."""
    if not boundary:
        raise Unreadable(
            "the multipart form names no boundary", "The content type needs a boundary parameter."
        )
    body = _with_line_ends(body, boundary)
    return _find_plain_parts(body, boundary, max_parts) or _parse_parts(body, boundary, max_parts)


def _find_plain_parts(body: bytes, boundary: bytes, max_parts: int) -> tuple[Part, ...] | None:
    """The parts of a form as browsers and PHP write it, by plain cuts, five times as fast as the parser.

    None for whatever is written in any other way, and for whatever is broken: the parser decides about it.
    """
    mark = b"--" + boundary
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if pieces[0] or pieces[-1] not in (b"--", b"--\r\n") or not 0 < len(pieces) - 2 <= max_parts:
        return None
    parts = [_find_plain_part(piece) for piece in pieces[1:-1]]
    return tuple(part for part in parts if part) if all(parts) else None


def _find_plain_part(piece: bytes) -> Part | None:
    head, gap, value = piece.partition(b"\r\n\r\n")
    found = _PLAIN_HEADERS.fullmatch(head) if gap else None
    if found is None:
        return None
    return Part(_unescape(found["name"]), value, found["filename"])


def _parse_parts(body: bytes, boundary: bytes, max_parts: int) -> tuple[Part, ...]:
    reader = _Reader(max_parts)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reader.begin,
                "on_header_begin": reader.begin_header,
                "on_header_field": reader.add_name,
                "on_header_value": reader.add_value,
                "on_header_end": reader.end_header,
                "on_part_data": reader.add_data,
                "on_part_end": reader.end,
                "on_end": reader.close,
            },
        )
        parser.write(body)
    except FormParserError as error:
        offset = getattr(error, "offset", -1)
        raise Unreadable(
            "the multipart form is broken", _HINT, path=f"byte {offset}" if offset >= 0 else ""
        ) from None
    if not reader.is_closed:
        raise Unreadable(
            "the multipart form ends before its closing boundary", _HINT, path=f"byte {len(body)}"
        )
    return tuple(reader.parts)


def _with_line_ends(body: bytes, boundary: bytes) -> bytes:
    """The form with CRLF around its headers, where a relay or an editor left only LF; the values stay as they are."""
    mark = b"--" + boundary
    if not body.startswith(mark + b"\n"):
        return body
    pieces = (b"\n" + body).split(b"\n" + mark)
    written = [mark.join((b"", _piece(piece))) for piece in pieces[1:]]
    return b"\r\n".join(written)


def _piece(piece: bytes) -> bytes:
    """What follows one boundary: its headers with CRLF and the value; after the last boundary nothing but dashes."""
    if piece.startswith(b"--"):
        return b"--\r\n"
    headers, gap, value = piece.removeprefix(b"\n").partition(b"\n\n")
    return b"\r\n" + headers.replace(b"\n", b"\r\n") + (b"\r\n\r\n" if gap else b"") + value


@dataclass(slots=True)
class _Reader:
    """Collects what the parser calls out."""

    max_parts: int
    parts: list[Part] = field(default_factory=list)
    is_closed: bool = False
    _name: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _data: bytearray = field(default_factory=bytearray)
    _headers: dict[str, bytes] = field(default_factory=dict)

    def begin(self) -> None:
        if len(self.parts) >= self.max_parts:
            raise Unreadable(
                f"the form has more than {self.max_parts} fields", "Send fewer fields, or post JSON."
            )
        self._headers, self._data = {}, bytearray()

    def begin_header(self) -> None:
        self._name, self._value = bytearray(), bytearray()

    def add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def end_header(self) -> None:
        self._headers[self._name.decode("latin-1").strip().lower()] = bytes(self._value)

    def add_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def end(self) -> None:
        self.parts.append(_part(self._headers, bytes(self._data)))

    def close(self) -> None:
        self.is_closed = True


def _part(headers: dict[str, bytes], data: bytes) -> Part:
    _, options = parse_options_header(headers.get("content-disposition", b""))
    if b"name" not in options:
        raise Unreadable("a part of the multipart form has no name", _HINT)
    _, declared = media_type(headers.get("content-type", b"").decode("latin-1"))
    charset = declared.get("charset", b"").decode("latin-1").strip().lower()
    return Part(_unescape(options[b"name"]), _decode(headers, data), options.get(b"filename"), charset)


def _unescape(name: bytes) -> bytes:
    for escape, character in _ESCAPES:
        name = name.replace(escape, character)
    return name


def _decode(headers: dict[str, bytes], data: bytes) -> bytes:
    # RFC 7578 deprecates the header, some mail programs still send it (https://www.rfc-editor.org/rfc/rfc7578, 4.7).
    encoding = headers.get("content-transfer-encoding", b"").strip().lower()
    if encoding == b"quoted-printable":
        return quopri.decodestring(data)
    if encoding == b"base64":
        try:
            return binascii.a2b_base64(data)
        except binascii.Error:
            _refuse_base64()
    return data


def _refuse_base64() -> NoReturn:
    raise Unreadable("a part of the multipart form says base64 and is not", _HINT)
