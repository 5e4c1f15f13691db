"""An audience's settings as a form: what stands in it, and what was typed as settings again. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.audiences.outward import DEFAULT_DIRECTION, EMAIL_TAG
from app.audiences.settings import ON_LEAVE, ON_RETURN
from app.core.errors import InvalidError

LEAVE_WORDS: Mapping[str, str] = {
    "archive": "archive them",
    "unsubscribe": "unsubscribe them",
    "delete": "delete them",
    "keep": "leave them as they are",
}
RETURN_WORDS: Mapping[str, str] = {
    "pending_once": "Mailchimp asks them once, by mail",
    "form_only": "they sign up by Mailchimp's form",
}
assert set(LEAVE_WORDS) == set(ON_LEAVE)
assert set(RETURN_WORDS) == set(ON_RETURN)
EXAMPLE_RULE = 'Write it like {"tags_any": ["alumni"]}.'


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One merge field of the form. `source` is the contact field, or an expression as JSON."""

    tag: str
    name: str = ""
    type: str = ""
    is_required: bool = False
    source: str = ""
    direction: str = DEFAULT_DIRECTION
    is_gone: bool = False
    is_own_id: bool = False


@dataclass(frozen=True, slots=True)
class InterestRow:
    """One interest of the form, and for whom Muster sets it."""

    interest_id: str
    group: str
    name: str
    kind: str = ""  # "", tag, field
    what: str = ""
    values: str = ""


def field_rows(
    merge_fields: Mapping[str, Any], schema: Mapping[str, Any], own_id: str = ""
) -> tuple[FieldRow, ...]:
    """Mapped merge fields first, then those that are there and not mapped."""
    there = schema.get("merge_fields") or {}
    gone = set(schema.get("gone") or ())
    tags = [*merge_fields, *(tag for tag in there if tag not in merge_fields)]
    rows = [
        _row(tag, merge_fields.get(tag), there.get(tag), is_gone=tag in gone or tag not in there)
        for tag in tags
        if tag != EMAIL_TAG
    ]
    return tuple(
        row
        if row.tag != own_id
        else FieldRow(row.tag, row.name, row.type, row.is_required, is_own_id=True, is_gone=row.is_gone)
        for row in rows
    )


def _row(tag: str, mapped: Any, there: Mapping[str, Any] | None, *, is_gone: bool) -> FieldRow:
    source, direction = shown_mapping(mapped)
    known = there or {}
    name, kind = str(known.get("name") or ""), str(known.get("type") or "")
    return FieldRow(tag, name, kind, bool(known.get("is_required")), source, direction, is_gone)


def shown_mapping(mapped: Any) -> tuple[str, str]:
    """What stands in the two controls of a merge field: source and direction."""
    if not isinstance(mapped, Mapping):
        return str(mapped or ""), DEFAULT_DIRECTION
    direction = str(mapped.get("direction") or DEFAULT_DIRECTION)
    rest = {name: value for name, value in mapped.items() if name != "direction"}
    is_plain = set(rest) <= {"from"} and isinstance(rest.get("from", ""), str)
    return (str(rest.get("from", "")) if is_plain else json.dumps(rest, ensure_ascii=False)), direction


def read_mapping(source: str, direction: str) -> Any:
    """The opposite: a contact field's name, or an object. InvalidError for what is no JSON."""
    text = source.strip()
    rest: dict[str, Any] = (
        read_object(text, "The expression", 'Write it like {"from": "city", "do": ["upper"]}.')
        if text.startswith("{")
        else {"from": text}
    )
    if direction == DEFAULT_DIRECTION:
        return text if set(rest) == {"from"} and isinstance(rest["from"], str) else rest
    return {**rest, "direction": direction}


def read_fields(form: Mapping[str, str], rows: tuple[FieldRow, ...]) -> dict[str, Any]:
    """The whole mapping out of the form: rows without a source are not mapped."""
    made: dict[str, Any] = {}
    for row in rows:
        source = form.get(f"from:{row.tag}", "")
        if source.strip():
            made[row.tag] = read_mapping(source, form.get(f"direction:{row.tag}", DEFAULT_DIRECTION))
    email = form.get(f"direction:{EMAIL_TAG}", DEFAULT_DIRECTION)
    return made if email == DEFAULT_DIRECTION else {**made, EMAIL_TAG: {"direction": email}}


def read_object(text: str, what: str, hint: str) -> dict[str, Any]:
    """A JSON object. InvalidError says where it ends to be one."""
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        where = (
            f" It breaks at line {error.lineno}, column {error.colno}."
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise InvalidError(f"{what} is not JSON.{where}", hint) from error
    except RecursionError as error:
        raise InvalidError(f"{what} is nested too deeply.", hint) from error
    if not isinstance(found, dict):
        raise InvalidError(f"{what} is not a JSON object.", hint)
    return found


def shown_rule(rule: Mapping[str, Any]) -> str:
    """A rule as JSON, a part on each line."""
    parts = [f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in rule.items()]
    return "{\n" + ",\n".join(parts) + "\n}" if parts else "{}"


def read_rule(text: str) -> dict[str, Any]:
    """An entry rule as typed."""
    return read_object(text, "The entry rule", EXAMPLE_RULE)


def interest_rows(interests: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[InterestRow, ...]:
    """Every interest that is there or managed, by group."""
    there: Mapping[str, Any] = schema.get("interests") or {}
    rows = []
    for interest_id in [*there, *(one for one in interests if one not in there)]:
        known, rule = there.get(interest_id) or {}, interests.get(interest_id) or {}
        kind = "tag" if "tag" in rule else "field" if "field" in rule else ""
        wanted = rule.get("is", "")
        values = ", ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)
        rows.append(
            InterestRow(
                interest_id,
                str(known.get("group") or "no longer there"),
                str(known.get("name") or interest_id),
                kind,
                str(rule.get("tag") or rule.get("field") or ""),
                values,
            )
        )
    return tuple(rows)


def read_interests(form: Mapping[str, str], rows: tuple[InterestRow, ...]) -> dict[str, Any]:
    """{interest id: rule} of those that Muster is to set."""
    made: dict[str, Any] = {}
    for row in rows:
        kind, what = form.get(f"kind:{row.interest_id}", ""), form.get(f"what:{row.interest_id}", "").strip()
        values = read_words(form.get(f"is:{row.interest_id}", "").replace(",", "\n"))
        if kind == "tag":
            made[row.interest_id] = {"tag": what}
        elif kind == "field":
            made[row.interest_id] = {"field": what, "is": values[0] if len(values) == 1 else values}
    if any(not (rule.get("tag") or rule.get("field")) for rule in made.values()):
        raise InvalidError(
            "An interest has no tag or field that sets it.", "Name one, or choose `staff alone`."
        )
    return made


def read_words(text: str) -> list[str]:
    """One a line; blank lines are none."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_permissions(text: str) -> dict[str, str]:
    """`id = purpose`, one a line."""
    made = {}
    for line in read_words(text):
        name, sign, purpose = (part.strip() for part in line.partition("="))
        if not (name and sign and purpose):
            raise InvalidError(
                f"{line[:60]!r} is no permission and purpose.", "Write one a line: id = purpose."
            )
        made[name] = purpose
    return made


def read_share(text: str) -> float:
    """Per cent as a share. InvalidError outside of 1 to 100."""
    try:
        per_cent = float(text.strip().rstrip("%").replace(",", "."))
    except ValueError as error:
        raise InvalidError(f"{text[:20]!r} is no number of per cent.", "Give one from 1 to 100.") from error
    if not 1 <= per_cent <= 100:  # noqa: PLR2004 - per cent
        raise InvalidError("The guard's share must be from 1 to 100 per cent.", "10 is usual.")
    return round(per_cent / 100, 4)
