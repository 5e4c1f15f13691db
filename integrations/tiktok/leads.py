"""A lead of TikTok, kept raw, with its answers under plain names as far as they can be told.

No public page shows a lead as a webhook brings it (looked for 2026-11-22), so nothing is taken for granted: a lead is what
an event with "lead" in its name carries, its answers are looked for in every form that TikTok's other APIs use.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

_LISTS = ("field_data", "fields", "answers", "questions", "user_column_data", "lead_info")
_NAMES = ("name", "field_name", "field", "key", "question", "label", "column_name", "column_id")
_VALUES = ("value", "field_value", "answer", "string_value", "values")
_ID_NAMES = ("lead_id", "id")
_AROUND = (
    "form_id",
    "page_id",
    "form_name",
    "page_name",
    "campaign_id",
    "campaign_name",
    "ad_id",
    "ad_name",
    "advertiser_id",
)
_TIMES = ("create_time", "created_time", "submit_time", "lead_create_time")
# Plain answers that stand beside the ids rather than in a list.
_PLAIN = frozenset(
    {
        "email", "email_address", "work_email", "phone", "phone_number", "name", "full_name", "first_name", "last_name",
        "city", "state", "province", "country", "zip_code", "postal_code", "company_name", "company", "job_title",
    }
)  # fmt: skip
_NOT_A_LETTER = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 100


def leads_in(content: Any) -> list[dict[str, Any]]:
    """The leads of an event: a list of them, one inside `lead`, or the content itself."""
    value = object_at(content)
    listed = objects_in(content) or objects_in(value.get("leads")) or objects_in(value.get("lead"))
    single = object_at(value, "lead")
    return listed or ([single] if single else [value] if value else [])


def lead_id_of(lead: Mapping[str, Any]) -> str:
    """The lead's own number, "" where it has none."""
    return next((found for name in _ID_NAMES if (found := identifier(lead.get(name)))), "")


def moment_of(lead: Mapping[str, Any]) -> Any:
    """When the lead was given, as it stands there; None where it does not say."""
    return next((lead[name] for name in _TIMES if lead.get(name)), None)


def read_lead(lead: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` by plain names (small letters, _ between), ids around, and the whole lead as `raw`."""
    fields: dict[str, str] = {}
    for name, value in _answers(lead):
        plain = _NOT_A_LETTER.sub("_", name.lower()).strip("_")[:_LONGEST_NAME]
        if plain and value:
            fields.setdefault(plain, value)
    around = {name: identifier(lead.get(name)) for name in _AROUND}
    return filled({"lead_id": lead_id_of(lead), **around, "fields": fields, "raw": dict(lead)})


def _answers(lead: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for holder in _LISTS:
        found = lead.get(holder)
        if isinstance(found, dict):
            yield from ((name, _said(value)) for name, value in found.items())
        for each in objects_in(found):
            yield _first(each, _NAMES), _said(next((each[name] for name in _VALUES if name in each), None))
    yield from ((name, _said(value)) for name, value in lead.items() if name in _PLAIN)


def _first(each: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := text_of(each.get(name)))), "")


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(said for each in value if (said := _said(each)))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else text_of(value).strip()
