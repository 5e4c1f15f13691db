"""The quick way through a multipart form says what the parser says, or leaves it to the parser."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.contract import Unreadable
from integrations.kit.multipart import Part, _find_plain_parts, _parse_parts, read_parts

MOST = 20
PIECES = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"--b7", b"--b7--", b"--b", b"b7", b"--", b"\r\n--b7\r\n", b"\r\n--b7--\r\n", b"\r\n\r\n",
        b'Content-Disposition: form-data; name="email"', b"content-disposition:form-data; name=email", b'; filename="a.png"',
        b'; filename="C:\\\\dir\\\\a.png"', b'; filename=""', b"Content-Type: text/plain", b"Content-Type: text/plain; charset=latin1",
        b"Content-Transfer-Encoding: base64", b"ana@alumni.example", b"%22", b"\xc3\xa9", b"\xff", b"\x00", b" ", b"x-other: 1",
        b'name="a;b"', b'name=""',
    ]
)  # fmt: skip


def form(parts: list[tuple[bytes, bytes, bytes | None]], end: bytes = b"\r\n") -> bytes:
    """A form as browsers write it."""
    written = b""
    for name, value, filename in parts:
        file = b'; filename="' + filename + b'"' if filename is not None else b""
        written += (
            b'--b7\r\nContent-Disposition: form-data; name="'
            + name
            + b'"'
            + file
            + b"\r\n\r\n"
            + value
            + b"\r\n"
        )
    return written + b"--b7--" + end


def parsed(body: bytes, boundary: bytes = b"b7") -> tuple[Part, ...] | str:
    try:
        return _parse_parts(body, boundary, MOST)
    except Unreadable as error:
        return error.reason


NAMES = st.binary(max_size=12) | st.sampled_from(
    [b"email", b"a[b]", b"name with space", b'q"uote', b"semi;colon"]
)
PARTS = st.tuples(NAMES, st.binary(max_size=40), st.none() | NAMES)


@given(st.lists(PARTS, max_size=6), st.sampled_from([b"\r\n", b"", b"\n", b"\r\nepilogue"]))
def test_any_form_comes_out_alike(parts: list[tuple[bytes, bytes, bytes | None]], end: bytes) -> None:
    body = form(parts, end)

    quick = _find_plain_parts(body, b"b7", MOST)

    assert quick is None or quick == parsed(body)


@given(st.lists(PIECES, max_size=24).map(b"".join))
def test_anything_put_together_comes_out_alike(body: bytes) -> None:
    for whole in (body, b"--b7\r\n" + body + b"\r\n--b7--\r\n"):
        quick = _find_plain_parts(whole, b"b7", MOST)

        assert quick is None or quick == parsed(whole)


def test_an_ordinary_form_takes_the_quick_way() -> None:
    parts = [
        (b"email", b"ana@alumni.example", None),
        (b"a[b]", "Łukasiewicz\r\n--b".encode(), None),
        (b"cv", b"%PDF", b"cv.pdf"),
    ]

    assert _find_plain_parts(form(parts), b"b7", MOST) == tuple(Part(*part) for part in parts)


@pytest.mark.parametrize("count", [MOST, MOST + 1])
def test_the_bound_on_parts_holds_either_way(count: int) -> None:
    body = form([(b"a", b"1", None)] * count)

    assert (count == MOST) == (_find_plain_parts(body, b"b7", MOST) is not None)
    assert (count == MOST) == (not isinstance(parsed(body), str))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_feeds_alone_change_no_value(end: bytes) -> None:
    lines = [b"--b7", b'Content-Disposition: form-data; name="a"', b"", b"one", b"--b7", b'Content-Disposition: form-data; name="b"',
             b"Content-Type: text/plain", b"", b"two", b"", b"three", b"--b7--", b""]  # fmt: skip

    first, second = read_parts(end.join(lines), b"b7", MOST)

    assert (first.name, first.body) == (b"a", b"one")
    assert (second.name, second.body) == (b"b", b"two" + end * 2 + b"three")


@pytest.mark.shared
@pytest.mark.parametrize("family", ["form", "body", "http-raw"])
def test_hostile_bodies_come_out_alike(shared: Path, family: str) -> None:
    for line in (shared / "corpora" / f"{family}.jsonl").read_text("utf-8").splitlines():
        item = json.loads(line)
        body = (
            base64.b64decode(item["b64"]) if "b64" in item else item["text"].encode("utf-8", "surrogatepass")
        )
        for boundary in (b"x", b"b7", b"boundary"):
            for whole in (body, b"--" + boundary + b"\r\n" + body):
                quick = _find_plain_parts(whole, boundary, MOST)
                assert quick is None or quick == parsed(whole, boundary), item["id"]
