"""One lead fetched from the Graph API and put into the form that the mapping reads."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from integrations.kit.contract import Client, EnrichError, Event
from integrations.kit.times import find_time

# Names of the fields of a lead in Meta's own business SDK (facebook-python-business-sdk, adobjects/lead.py).
FIELDS = (
    "id,created_time,ad_id,form_id,field_data,custom_disclaimer_responses,is_organic,platform,campaign_name"
)

# Graph API error (code, subcode) -> outcome. 100 alone is a wrong parameter (a field that a newer version dropped) and
# must erase nothing; with subcode 33 the object is not there or not to be seen.
GRAPH_ERRORS: Mapping[tuple[int, int | None], str] = {
    (190, None): "blocked_credentials",  # token expired or revoked
    (102, None): "blocked_credentials",  # session key invalid
    (10, None): "blocked_credentials",  # permission missing
    (200, None): "blocked_credentials",  # permission missing
    (100, 33): "gone",
    (1, None): "waiting_enrich",  # unknown error, "try again"
    (2, None): "waiting_enrich",  # service out of order
    (4, None): "waiting_enrich",  # app's rate limit
    (17, None): "waiting_enrich",  # user's rate limit
    (32, None): "waiting_enrich",  # page's rate limit
    (341, None): "waiting_enrich",  # application limit
    (368, None): "waiting_enrich",  # temporarily blocked
    (613, None): "waiting_enrich",  # custom rate limit
}
_VERSION = re.compile(r"v\d{1,3}\.\d{1,2}", re.ASCII)
_LEAD_ID = re.compile(r"[0-9]{1,32}", re.ASCII)
# What the "Lead Ads Testing Tool" of Meta fills in.
_TEST_VALUE = re.compile(r"<test lead: dummy data for .*>", re.DOTALL)
_COPIED = ("form_id", "ad_id", "created_time", "platform", "is_organic", "campaign_name")


def fetch_lead(event: Event, token: str, version: str, client: Client) -> Event:
    """The event with the lead's answers as content, or EnrichError. The token travels in a header, never in the URL."""
    lead_id = str(event.content.get("leadgen_id", ""))
    if not _LEAD_ID.fullmatch(lead_id):
        raise EnrichError(
            "invalid", "the lead's id is no number", "Meta's ids are digits; check who posts here."
        )
    if not is_version(version):
        raise EnrichError("invalid", "the Graph API version is no version", "Write it like v25.0.")
    answer = client.get_json(
        f"/{version}/{lead_id}", {"fields": FIELDS}, {"Authorization": f"Bearer {token}"}
    )
    if not isinstance(answer, dict) or str(answer.get("id", "")) != lead_id:
        raise EnrichError(
            "invalid", "the answer is about another lead", "Ask again; if it stays so, tell Meta."
        )
    content = read_lead(answer, event)
    occurred_at = find_time(answer.get("created_time")) or event.occurred_at
    return replace(event, content=content, occurred_at=occurred_at, needs_enrich=False)


def is_version(text: str) -> bool:
    """Whether it is a version of the Graph API, such as v25.0 (it becomes part of a path)."""
    return bool(_VERSION.fullmatch(text))


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
    for each in _objects(field_data):
        name, values = each.get("name"), each.get("values")
        if isinstance(name, str) and isinstance(values, list):
            made.setdefault(name, []).extend(str(value) for value in values if isinstance(value, str | int))
    return made


def _disclaimers(responses: Any) -> dict[str, bool]:
    """is_checked is "1" or an empty text (Meta's page on custom disclaimers); anything else was not agreed to."""
    return {
        each["checkbox_key"]: each.get("is_checked") in ("1", True, 1)
        for each in _objects(responses)
        if isinstance(each.get("checkbox_key"), str)
    }


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
