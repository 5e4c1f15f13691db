"""A Gravity Forms entry put into the form that the mapping reads.

The raw entry ("All Fields") has numbers for names: "2", and "1.3" for the third input of field 1; no labels. What can be
told from the numbers alone is found here: names, addresses and consent fields have fixed inputs
(https://docs.gravityforms.com/entry-object/ and the pages of the field types, from public documentation as collected 2026-11).
"""

import re
from collections.abc import Mapping
from typing import Any

from integrations.kit.answers import Answers
from integrations.kit.values import filled, identifier, text_of

_ANSWER = re.compile(r"\d{1,6}(?:\.\d{1,4})?")
# What Gravity Forms notes about an entry; nobody typed it.
_OWN = frozenset(
    [
        "id",
        "form_id",
        "post_id",
        "date_created",
        "date_updated",
        "is_starred",
        "is_read",
        "ip",
        "source_url",
        "source_id",
        "user_agent",
        "currency",
        "payment_status",
        "payment_date",
        "payment_amount",
        "payment_method",
        "transaction_id",
        "is_fulfilled",
        "created_by",
        "transaction_type",
        "status",
        "is_approved",
        "resume_token",
        "resume_url",
    ]
)
_NAME = {"2": "salutation", "3": "first_name", "6": "last_name"}
_NAME_INPUTS = frozenset("23468")
_ADDRESS = {
    "1": "address_line1",
    "2": "address_line2",
    "3": "city",
    "4": "region",
    "5": "postal_code",
    "6": "country",
}
_CONSENT_INPUTS = frozenset("123")


def read_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` by number or by the name chosen in "Select Fields", `found` by what an answer is, `consents` by wording."""
    answers, inputs = Answers(), {}
    for name, value in entry.items():
        if not _ANSWER.fullmatch(name):
            if name not in _OWN:
                answers.add(name, value)
        elif value not in (None, "", [], {}):
            inputs[name] = value
    _add_groups(answers, inputs)
    numbered = Answers()
    for name, value in inputs.items():
        numbered.add(name, value)
    found = numbered.found | answers.found
    made = {
        "entry_id": identifier(entry.get("id")),
        "form_id": identifier(entry.get("form_id")),
        "submitted_at": text_of(entry.get("date_created")),
        "page": text_of(entry.get("source_url")),
        "fields": answers.fields | inputs,
        "found": found,
        "consents": answers.consents,
    }
    return filled(made)


def _add_groups(answers: Answers, inputs: Mapping[str, Any]) -> None:
    """What the inputs of one field say together."""
    groups: dict[str, dict[str, str]] = {}
    for name, value in inputs.items():
        number, dot, part = name.partition(".")
        if dot:
            groups.setdefault(number, {})[part] = text_of(value).strip()
    for parts in groups.values():
        if parts.keys() <= _NAME_INPUTS:
            _set(answers, parts, _NAME)
        elif parts.keys() == _CONSENT_INPUTS and parts["1"] == "1" and parts["3"].isdecimal():
            answers.add_consent(parts["2"], is_given=True)
        elif parts.keys() <= _ADDRESS.keys() and {"1", "3"} <= parts.keys():
            _set(answers, parts, _ADDRESS)


def _set(answers: Answers, parts: Mapping[str, str], names: Mapping[str, str]) -> None:
    for part, name in names.items():
        if parts.get(part):
            answers.found.setdefault(name, parts[part])
