"""Leads that the Page's forms kept: ids only, form after form, each page written as the webhook would have brought it.

Leads can be fetched for 90 days (https://developers.facebook.com/docs/marketing-api/guides/lead-ads/retrieving, seen 2026-11-22).
"""

import json
import re
from datetime import datetime
from typing import Any

from integrations.kit.contract import BackfillPage, Client, EnrichError, SourceConfig
from integrations.kit.graph import ask_graph, is_object_id
from integrations.kit.strict_json import dump_json
from integrations.kit.values import identifier, object_at, objects_in, text_of
from integrations.meta_leads.leads import TOKEN

_FIELDS = "id,created_time,ad_id,form_id"  # no answers: each lead that is new is fetched by itself
_PAGE_SIZE = 200
_MOST_FORM_PAGES = 20
_SEPARATOR = re.compile(r"[\s,;]+")
_NOWHERE = EnrichError(
    "invalid",
    "the source has neither a Page nor forms to ask",
    "Set page_id (digits), or form_ids with the forms' ids.",
)


def list_form_ids(config: SourceConfig) -> list[str]:
    """The forms that the source's settings name; none = all of the Page."""
    return [found for found in _SEPARATOR.split(config.settings.get("form_ids", "")) if found]


def fetch_page(config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
    """One page of one form's leads since then. The cursor is the forms still to ask, and the place in the first."""
    forms, after = _place(cursor) if cursor else (_forms(config, client), "")
    if not forms:
        return BackfillPage()
    try:
        leads, following = _ask(forms[0], since, after, config, client)
    except EnrichError as error:
        if error.outcome != "gone":
            raise
        leads, following = [], ""  # this form was deleted; the others were not
    is_over = not following or following == after
    left = forms[1:] if is_over else forms
    body = _as_delivery(leads, forms[0], config.settings.get("page_id", "").strip())
    next_cursor = json.dumps([left, "" if is_over else following]) if left else ""
    return BackfillPage((body,) if body else (), next_cursor)


def _place(cursor: str) -> tuple[list[str], str]:
    try:
        forms, after = json.loads(cursor)
        return [str(form) for form in forms], str(after)
    except (ValueError, TypeError):
        raise EnrichError("invalid", "the place to go on from cannot be read", "Start again.") from None


def _forms(config: SourceConfig, client: Client) -> list[str]:
    named, page_id = list_form_ids(config), config.settings.get("page_id", "").strip()
    if named:
        if not all(is_object_id(form) for form in named):
            raise EnrichError(
                "invalid", "an id in form_ids is no number", "Write digits, commas between them."
            )
        return named
    if not is_object_id(page_id):
        raise EnrichError(_NOWHERE.outcome, _NOWHERE.reason, _NOWHERE.hint)
    return _forms_of(page_id, config, client)


def _forms_of(page_id: str, config: SourceConfig, client: Client) -> list[str]:
    """Every form of the Page, archived ones too: their last leads may be missing."""
    found: dict[str, None] = {}
    after = ""
    for _ in range(_MOST_FORM_PAGES):
        query = {"fields": "id", "limit": str(_PAGE_SIZE)} | ({"after": after} if after else {})
        try:
            answer = ask_graph(f"{page_id}/leadgen_forms", query, config, client, TOKEN)
        except EnrichError as error:
            if error.outcome != "gone":
                raise
            reason = "the Page is not there, or the token may not see it"
            raise EnrichError("invalid", reason, "Check page_id and page_token.") from None
        found |= dict.fromkeys(
            form for each in _data(answer) if is_object_id(form := identifier(each.get("id")))
        )
        after, before = _next_place(answer), after
        if not after or after == before:
            break
    return list(found)


def _ask(
    form: str, since: datetime, after: str, config: SourceConfig, client: Client
) -> tuple[list[dict[str, Any]], str]:
    newer = [{"field": "time_created", "operator": "GREATER_THAN", "value": int(since.timestamp())}]
    query = {"fields": _FIELDS, "limit": str(_PAGE_SIZE), "filtering": json.dumps(newer)}
    query |= {"after": after} if after else {}
    answer = ask_graph(f"{form}/leads", query, config, client, TOKEN)
    return _data(answer), _next_place(answer)


def _data(answer: Any) -> list[dict[str, Any]]:
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise EnrichError("invalid", "the answer is no list", "Check the API version set on the source.")
    return objects_in(answer["data"])


def _next_place(answer: Any) -> str:
    """Where the next page begins, by cursor: the address in `next` carries the token and is never followed."""
    paging = object_at(answer, "paging")
    return text_of(object_at(paging, "cursors").get("after")) if "next" in paging else ""


def _as_delivery(leads: list[dict[str, Any]], form: str, page_id: str) -> bytes:
    """The leads as Meta's webhook writes them; nothing where there are none."""
    values = [_as_value(lead, form, page_id) for lead in leads if identifier(lead.get("id"))]
    if not values:
        return b""
    changes = [{"field": "leadgen", "value": value} for value in values]
    return dump_json({"object": "page", "entry": [{"id": page_id, "changes": changes}]})


def _as_value(lead: dict[str, Any], form: str, page_id: str) -> dict[str, Any]:
    value = {
        "leadgen_id": identifier(lead["id"]),
        "page_id": page_id,
        "form_id": identifier(lead.get("form_id")) or form,
        "created_time": lead.get("created_time"),
        "ad_id": identifier(lead.get("ad_id")),
    }
    return {name: found for name, found in value.items() if found}
