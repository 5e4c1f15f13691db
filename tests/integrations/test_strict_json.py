"""The JSON reader: strict, bounded, quick on hostile input, and its values fit PostgreSQL's jsonb."""

import base64
import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.contract import Unreadable
from integrations.kit.strict_json import MAX_DEPTH, load_json


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b' [1, 2.5, -0, true, null, "x"] ', [1, 2.5, 0, True, None, "x"]),
        (b'"\\ud83d\\ude00 \\u00e9"', "\U0001f600 \u00e9"),
        (b'"\\u0000a\\ud800b"', "\ufffda\ufffdb"),
        (b'{"k\\u0000": ["\\udfff", {"x": "\\u0000"}]}', {"k\ufffd": ["\ufffd", {"x": "\ufffd"}]}),
        (b'"\\\\u0000"', "\\u0000"),
        (b"9007199254740993", 9007199254740993),
        (b"1e-400", 0.0),
        (deep(MAX_DEPTH), json.loads(deep(MAX_DEPTH))),
        (json.dumps("[" * 1000).encode(), "[" * 1000),
        (json.dumps(['"[\\' * 100] * 30).encode(), ['"[\\' * 100] * 30),
        (json.dumps([[]] * 500).encode(), [[]] * 500),
    ],
)
def test_a_good_document_is_read(body: bytes, value: Any) -> None:
    assert value == load_json(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"{'a': 1}", "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"a": 1}{"b": 2}', "not JSON: Extra data at line 1, column 9"),
        (b'{"a":\n oops}', "not JSON: Expecting value at line 2, column 2"),
        (b'{"a": 1, "a": 2}', "a name stands twice in one JSON object"),
        (b'[{"a\\u0000": 1, "a\\ufffd": 2}]', "a name stands twice in one JSON object"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"[1e999]", "a number in the JSON is too large"),
        (b"1" * 5000, "a number in the JSON has too many digits"),
        (b'"Jos\xe9"', "the body is not UTF-8 at byte 4"),
        (b"\xff\xfe{\x00", "the body is not UTF-8 at byte 0"),
        (b'"\xed\xa0\x80"', "the body is not UTF-8 at byte 1"),
        (b'"\xc0\xaf"', "the body is not UTF-8 at byte 1"),
        (b'"a\x00b"', "not JSON: Invalid control character at at line 1, column 3"),
        (deep(MAX_DEPTH + 1), "the JSON is nested deeper than 64 levels"),
        (b"[" * 100_000, "the JSON is nested deeper than 64 levels"),
        (b'{"a":' * 100_000, "the JSON is nested deeper than 64 levels"),
    ],
)
def test_a_bad_document_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        load_json(body)

    assert reason == caught.value.reason
    assert caught.value.hint


MILLION = 1_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MILLION,
        b'"\\' * (MILLION // 2),
        b'"\\"' * (MILLION // 3),
        b'[["' + b'\\"' * (MILLION // 2),
        b'"' * MILLION,
        b"[{" + b'"a' * (MILLION // 2) + b"[" * 100,
        b"[" + b"[]," * (MILLION // 3) + b"[]]",
        b"[" + b"1," * (MILLION // 2) + b"1]",
        b'{"a":1' + b',"a":1' * (MILLION // 6) + b"}",
        json.dumps({f"k{index}": index for index in range(60_000)}).encode(),
        b"[" + b'"\\u0000",' * (MILLION // 9) + b"1]",
        b"1" * MILLION,
        b"0." + b"1" * MILLION,
        b"\xff" * MILLION,
        b"]" * MILLION,
    ],
)  # fmt: skip
def test_a_megabyte_of_malice_is_read_in_linear_time(body: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(Unreadable):
        load_json(body)

    # Well under a second on an ordinary machine; reading that goes back and forth would take minutes.
    assert time.process_time() - started < 5.0


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4)))  # fmt: skip
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert value == load_json(json.dumps(value).encode())
    assert value == load_json(json.dumps(value, ensure_ascii=False).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    text = read_or_reason(body)

    assert "\\u0000" not in text.replace("\\\\", "")
    assert text.encode("utf-8")


def read_or_reason(body: bytes) -> str:
    """What was read, written again, or why nothing was; any other exception fails the test."""
    try:
        return json.dumps(load_json(body), ensure_ascii=False)
    except Unreadable as error:
        return error.reason


@pytest.mark.shared
def test_the_json_corpus_is_accepted_and_rejected_as_it_says(shared: Path) -> None:
    lines = [json.loads(line) for line in (shared / "corpora/json.jsonl").read_text("utf-8").splitlines()]
    judged = [item for item in lines if item["expect"] in ("accept", "reject")]

    otherwise = {
        item["id"]: reading(body_of(item)) for item in judged if reading(body_of(item)) != item["expect"]
    }

    # A name that stands twice is JSON by RFC 8259 and is refused here on purpose: no rule can tell which value is meant.
    assert judged
    assert all("duplicated_key" in name and verdict == "reject" for name, verdict in otherwise.items()), (
        otherwise
    )


def reading(body: bytes) -> str:
    started = time.process_time()
    try:
        load_json(body)
    except Unreadable:
        return "reject"
    finally:
        assert time.process_time() - started < 5.0
    return "accept"


def body_of(item: dict[str, str]) -> bytes:
    return base64.b64decode(item["b64"]) if "b64" in item else item["text"].encode("utf-8", "surrogatepass")
