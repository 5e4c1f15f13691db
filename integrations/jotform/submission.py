"""A Jotform delivery taken apart: the multipart form, the JSON in rawRequest, and what people answered.

`pretty` is never read: it joins questions and answers by colons and commas that stand in the answers too.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from integrations.kit.answers import Answers
from integrations.kit.contract import RawRequest, Unreadable
from integrations.kit.forms import load_form
from integrations.kit.strict_json import load_json
from integrations.kit.values import filled, text_of

_HINT = "Jotform sends a form with formID, submissionID and rawRequest; check which program posts here."
# rawRequest has answers as q<number>_<slug>, uploads under the bare slug, and much of Jotform's own that is dropped.
_QUESTION = re.compile(r"q(\d{1,6})_(.{0,80})", re.DOTALL)
_UPLOAD = re.compile(r"https://[A-Za-z0-9.-]+/uploads/")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_KINDS = {"control_email": "email", "control_phone": "phone"}
_ADDRESS_NAMES = ("addr_line1", "addr_line2", "city", "state", "postal", "country")


def read_form(request: RawRequest) -> dict[str, Any]:
    """The fields of the delivery, or Unreadable."""
    return load_form(request.body, request.header("content-type") or "").fields


def read_raw_request(form: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in the field rawRequest, or Unreadable."""
    text = form.get("rawRequest")
    if not isinstance(text, str) or not text.strip():
        raise Unreadable("the form has no rawRequest", _HINT, path="rawRequest")
    raw = load_json(text.encode())
    if not isinstance(raw, dict):
        raise Unreadable("rawRequest is no JSON object", _HINT, path="rawRequest")
    return raw


def read_answers(raw: Mapping[str, Any], types: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the mapping reads: `fields` by Jotform's name of the question, `found` by what an answer is.

    `types` (number of the question -> its type) is known only where the submission was fetched.
    """
    answers = Answers()
    for number, slug, value in _answered(raw):
        kind = _KINDS.get((types or {}).get(number, ""), "")
        _add(answers, _label(slug), value, kind)
    return answers.content()


# A form's questions are the same in every delivery; a slug has 80 characters at most.
@lru_cache(maxsize=4096)
def _label(slug: str) -> str:
    return _CAMEL.sub(" ", slug)


def _answered(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(number, slug, value) of every question, then of every upload."""
    uploads: list[tuple[str, Any]] = []
    for name, value in raw.items():
        found = _QUESTION.fullmatch(name) if name.startswith("q") else None
        if found:
            yield found[1], found[2] or f"question {found[1]}", value
        elif _is_upload(value):
            uploads.append((name, value))
    for name, value in uploads:
        yield "", name, value if isinstance(value, list) else [value]


def _is_upload(value: Any) -> bool:
    """Whether the value is the address of an uploaded file, or a list of nothing else."""
    if isinstance(value, str):
        return _UPLOAD.match(value) is not None
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, str) and _UPLOAD.match(each) for each in value)
    )


def _add(answers: Answers, label: str, value: Any, kind: str) -> None:
    if not isinstance(value, dict):
        answers.add(label, value, kind)
        return
    parts = {name: text_of(each).strip() for name, each in value.items()}
    if {"first", "last"} & parts.keys():
        answers.add(
            label, " ".join(filter(None, (parts.get("first"), parts.get("middle"), parts.get("last"))))
        )
        for name, part in (("first_name", "first"), ("last_name", "last"), ("salutation", "prefix")):
            if parts.get(part):
                answers.found.setdefault(name, parts[part])
    elif {"phone", "full"} & parts.keys():
        number = parts.get("full") or " ".join(
            filter(None, (parts.get("country"), parts.get("area"), parts.get("phone")))
        )
        answers.add(label, number, "phone")
    elif "addr_line1" in parts:
        answers.add(label, filled(parts))
        for name in _ADDRESS_NAMES:
            if parts.get(name):
                answers.found.setdefault(name, parts[name])
    else:
        answers.add(label, _date(parts) or filled(value), kind)


def _date(parts: Mapping[str, str]) -> str:
    """A date of three boxes as YYYY-MM-DD; "" where it is none, or not filled in."""
    year, month, day = (parts.get(name, "") for name in ("year", "month", "day"))
    is_whole = all(part.isascii() and part.isdecimal() for part in (year, month, day))
    return f"{year}-{month:0>2}-{day:0>2}" if is_whole else ""
