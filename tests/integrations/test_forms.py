"""Form posts: names, charsets, parts, bounds."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.contract import Unreadable
from integrations.kit.forms import MAX_FIELDS, load_form, strict_form

URLENCODED = "application/x-www-form-urlencoded"
# CPU time on any machine, however busy: what grows with the square of a megabyte takes minutes.
SOUND_SECONDS = 5.0
MULTIPART = "multipart/form-data; boundary=XX"


def part(head: str, value: bytes) -> bytes:
    return b"--XX\r\n" + head.encode() + b"\r\n\r\n" + value + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XX--\r\n"


def named(name: str, value: bytes, more: str = "") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"{more}', value)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=&b", {"a": "", "b": ""}),
        (b"a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        (b"a[]=1", {"a": ["1"]}),
        (b"a%5B%5D=1&a%5B%5D=2", {"a": ["1", "2"]}),
        (b"a=1&a[]=2", {"a": ["1", "2"]}),
        (b"a[b][c]=1&a[b][d]=2&a[e]=3", {"a": {"b": {"c": "1", "d": "2"}, "e": "3"}}),
        (b"a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"a[0][id]=7", {"a": {"0": {"id": "7"}}}),
        (b"a=1&a[b]=2", {"a": "1", "a[b]": "2"}),
        (b"a[b]=2&a=1", {"a": [{"b": "2"}, "1"]}),
        (b"a[=1&b]=2&[c]=3&d[e]f=4", {"a[": "1", "b]": "2", "[c]": "3", "d[e]f": "4"}),
        (b"a+b=c+d%2Be", {"a b": "c d+e"}),
        (b"a=1;b=2", {"a": "1;b=2"}),
        (b"a==&=b", {"a": "=", "": "b"}),
        (b"a=%ZZ%&b=%4", {"a": "%ZZ%", "b": "%4"}),
        (b"a=x%00y", {"a": "x\ufffdy"}),
        (b"&&a=1&", {"a": "1"}),
        (b"", {}),
        (b"a=1\r\n", {"a": "1"}),
        ("n=Jos\u00e9".encode(), {"n": "Jos\u00e9"}),
        (b"n=%C3%A9&m=%80", {"n": "\u00c3\u00a9", "m": "\u20ac"}),
        (
            b"_charset_=windows-1251&n=%CC%E0%F0%E8%FF",
            {"_charset_": "windows-1251", "n": "\u041c\u0430\u0440\u0438\u044f"},
        ),
        (b"_charset_=zip&n=%C3%A9", {"_charset_": "zip", "n": "\u00e9"}),
        (b"_charset_=utf-7&n=%2BADw-", {"_charset_": "utf-7", "n": "+ADw-"}),
    ],
)
def test_urlencoded_fields(body: bytes, fields: dict[str, Any]) -> None:
    form = load_form(body, URLENCODED)

    assert fields == form.fields
    assert list(fields) == list(form.fields)


def test_the_charset_of_the_content_type_is_used() -> None:
    assert strict_form(b"n=%A3", f"{URLENCODED}; charset=ISO-8859-2") == {"n": "\u0141"}


@pytest.mark.parametrize(
    "name", ["__proto__", "constructor", "prototype", "a[__proto__]", "a[b][constructor][]", "__proto__[x]"]
)
def test_names_that_change_objects_are_left_out_and_told(name: str) -> None:
    form = load_form(f"{name}=1&ok=2".encode(), URLENCODED)

    assert form.fields == {"ok": "2"}
    assert (name,) == form.dropped


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"&".join(b"a=1" for _ in range(MAX_FIELDS + 1)), URLENCODED, "the form has more than 500 fields"),
        (b"a" + b"[b]" * 7 + b"=1", URLENCODED, "a form field is nested deeper than 7 levels"),
        (multipart(*[named("a", b"1")] * (MAX_FIELDS + 1)), MULTIPART, "the form has more than 500 fields"),
        (named("a", b"1"), MULTIPART, "the multipart form ends before its closing boundary"),
        (b"", MULTIPART, "the multipart form ends before its closing boundary"),
        (b"nothing of the kind", MULTIPART, "the multipart form is broken"),
        (b"--YY\r\n", MULTIPART, "the multipart form is broken"),
        (multipart(named("a", b"1")), "multipart/form-data", "the multipart form names no boundary"),
        (
            multipart(named("a", b"1")),
            "multipart/form-data; boundary=",
            "the multipart form names no boundary",
        ),
        (
            multipart(named("a", b"1")),
            "multipart/form-data; boundary=" + "X" * 500,
            "the multipart form is broken",
        ),
        (
            multipart(part("Content-Type: text/plain", b"1")),
            MULTIPART,
            "a part of the multipart form has no name",
        ),
        (multipart(part("X" * 20_000 + ": y", b"1")), MULTIPART, "the multipart form is broken"),
        (
            multipart(
                part('Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64', b"!")
            ),
            MULTIPART,
            None,
        ),
        (
            multipart(
                part(
                    'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64', b"QUJDR"
                )
            ),
            MULTIPART,
            "a part of the multipart form says base64 and is not",
        ),
    ],
)
def test_a_form_out_of_bounds_is_refused_with_its_reason(
    body: bytes, content_type: str, reason: str | None
) -> None:
    if reason is None:
        assert strict_form(body, content_type) == {"a": ""}
        return
    with pytest.raises(Unreadable) as caught:
        load_form(body, content_type)

    assert reason == caught.value.reason
    assert caught.value.hint


def test_exactly_the_bounds_are_allowed() -> None:
    assert (
        len(strict_form(b"&".join(b"a%d=1" % index for index in range(MAX_FIELDS)), URLENCODED)) == MAX_FIELDS
    )
    assert (
        len(strict_form(multipart(*[named(f"a{index}", b"1") for index in range(MAX_FIELDS)]), MULTIPART))
        == MAX_FIELDS
    )
    assert strict_form(b"a" + b"[b]" * 6 + b"=1", URLENCODED)


def test_multipart_fields_and_files() -> None:
    body = multipart(
        named("email", b"ana@alumni.example"),
        named("interests[]", b"mentoring"),
        named("interests[]", "Stra\u00dfe".encode()),
        named("quo%22ted", b"1\r\n2"),
        named("cv", b"%PDF\x00\xff", '; filename="C:\\Users\\ana\\cv.pdf"\r\nContent-Type: application/pdf'),
        named("empty", b"", '; filename=""\r\nContent-Type: application/octet-stream'),
        part("content-disposition: FORM-DATA; NAME=plain", b"yes"),
    )

    form = load_form(b"preamble is allowed? no" * 0 + body, MULTIPART)

    assert form.fields == {
        "email": "ana@alumni.example",
        "interests": ["mentoring", "Stra\u00dfe"],
        'quo"ted': "1\r\n2",
        "plain": "yes",
    }
    assert form.files == ("cv",)


def test_parts_may_say_their_charset_and_encoding() -> None:
    body = multipart(
        part(
            'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=ISO-8859-1',
            b"Jos\xe9",
        ),
        part(
            'Content-Disposition: form-data; name="b"\r\nContent-Transfer-Encoding: Quoted-Printable',
            b"Jos=C3=A9 =\r\nx",
        ),
        part('Content-Disposition: form-data; name="c"\r\nContent-Transfer-Encoding: base64', b"Sm9zw6k="),
        part('Content-Disposition: form-data; name="_charset_"', b"utf-8"),
    )

    assert strict_form(body, MULTIPART) == {
        "a": "Jos\u00e9",
        "b": "Jos\u00e9 x",
        "c": "Jos\u00e9",
        "_charset_": "utf-8",
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"&" * 1_000_000, URLENCODED),
        (b"%" * 1_000_000, URLENCODED),
        (b"a" + b"[" * 1_000_000, URLENCODED),
        (b"a" + b"[]" * 500_000, URLENCODED),
        (b"a" + b"[b" * 300_000, URLENCODED),
        (b"--XX\r\n" + b"\r\n--X" * 200_000, MULTIPART),
        (named("a", b"\r\n--X" * 200_000), MULTIPART),
        (named("a", b"\r" * 1_000_000), MULTIPART),
        (multipart(part('Content-Disposition: form-data; name="a"' + '; x="\\"' * 1000, b"1")), MULTIPART),
        (b"a=1", "multipart/form-data" + ';"' * 50_000),
    ],
)
def test_a_megabyte_of_malice_is_read_in_a_time_that_grows_with_its_length(
    body: bytes, content_type: str
) -> None:
    started = time.process_time()
    with contextlib.suppress(Unreadable):
        load_form(body, content_type)

    assert time.process_time() - started < SOUND_SECONDS


@given(
    st.binary(max_size=400),
    st.sampled_from([URLENCODED, MULTIPART, "", "multipart/form-data; boundary=a", "x/y; charset=utf-16"]),
)
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str) -> None:
    assert "\\u0000" not in read_or_reason(body, content_type).replace("\\\\", "")


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_any_parts_are_read_or_refused(pieces: list[bytes]) -> None:
    body = b"--XX\r\n" + b"\r\n--XX\r\n".join(pieces) + b"\r\n--XX--\r\n"
    assert read_or_reason(body, MULTIPART)


def read_or_reason(body: bytes, content_type: str) -> str:
    """What was read, as JSON, or why nothing was; any other exception fails the test."""
    try:
        return json.dumps(load_form(body, content_type).fields, ensure_ascii=False)
    except Unreadable as error:
        return error.reason
