"""One lead fetched from the Graph API and put into the form that the mapping reads."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from integrations.kit.contract import Client, EnrichError, Event, SourceConfig
from integrations.kit.graph import ask_graph, is_object_id
from integrations.kit.times import find_time
from integrations.kit.values import objects_in

TOKEN = "page_token"  # noqa: S105 -- the name of a setting

# Names of the fields of a lead in Meta's own business SDK (facebook-python-business-sdk, adobjects/lead.py).
FIELDS = (
    "id,created_time,ad_id,form_id,field_data,custom_disclaimer_responses,is_organic,platform,campaign_name"
)

# What the "Lead Ads Testing Tool" of Meta fills in.
_TEST_VALUE = re.compile(r"<test lead: dummy data for .*>", re.DOTALL)
_COPIED = ("form_id", "ad_id", "created_time", "platform", "is_organic", "campaign_name")


def fetch_lead(event: Event, config: SourceConfig, client: Client) -> Event:
    """The event with the lead's answers as content, or EnrichError."""
    lead_id = str(event.content.get("leadgen_id", ""))
    if not is_object_id(lead_id):
        raise EnrichError(
            "invalid", "the lead's id is no number", "Meta's ids are digits; check who posts here."
        )
    answer = ask_graph(lead_id, {"fields": FIELDS}, config, client, TOKEN)
    if not isinstance(answer, dict) or str(answer.get("id", "")) != lead_id:
        raise EnrichError(
            "invalid", "the answer is about another lead", "Ask again; if it stays so, tell Meta."
        )
    content = read_lead(answer, event)
    occurred_at = find_time(answer.get("created_time")) or event.occurred_at
    return replace(event, content=content, occurred_at=occurred_at, needs_enrich=False)


def read_lead(answer: Mapping[str, Any], event: Event) -> dict[str, Any]:
    """The content for the mapping.

    `fields` has the first value of each question, `field_values` all of them, `disclaimers` each consent box as true
    or false, `is_test` is there and true for leads of Meta's testing tool.
    """
    values = _field_values(answer.get("field_data"))
    content: dict[str, Any] = {"id": str(answer["id"]), "page_id": event.account}
    content |= {name: event.content[name] for name in ("form_id", "ad_id") if name in event.content}
    content |= {name: answer[name] for name in _COPIED if answer.get(name) is not None}
    content["fields"] = {name: found[0] for name, found in values.items() if found}
    content["field_values"] = values
    content["disclaimers"] = _disclaimers(answer.get("custom_disclaimer_responses"))
    if any(_TEST_VALUE.fullmatch(value) for found in values.values() for value in found):
        content["is_test"] = True
    return content


def _field_values(field_data: Any) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for each in objects_in(field_data):
        name, values = each.get("name"), each.get("values")
        if isinstance(name, str) and isinstance(values, list):
            made.setdefault(name, []).extend(str(value) for value in values if isinstance(value, str | int))
    return made


def _disclaimers(responses: Any) -> dict[str, bool]:
    """is_checked is "1" or an empty text (Meta's page on custom disclaimers); anything else was not agreed to."""
    return {
        each["checkbox_key"]: each.get("is_checked") in ("1", True, 1)
        for each in objects_in(responses)
        if isinstance(each.get("checkbox_key"), str)
    }
