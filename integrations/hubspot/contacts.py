"""What HubSpot's API is asked: a contact, the contacts changed since, whose account the token is.

https://developers.hubspot.com/docs/api/crm/contacts and .../crm/search (from public documentation as collected 2026-11).
"""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from integrations.kit.contract import BackfillPage, Client, EnrichError, Event, Health, SourceConfig
from integrations.kit.strict_json import dump_json
from integrations.kit.times import find_time
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

PROPERTIES = (
    "email", "hs_additional_emails", "firstname", "lastname", "salutation", "phone", "mobilephone", "company", "jobtitle",
    "address", "city", "state", "zip", "country", "website", "hs_language", "date_of_birth", "graduation_date",
    "lifecyclestage", "hs_email_optout", "hs_merged_object_ids", "createdate", "lastmodifieddate",
)  # fmt: skip
PAGE_SIZE = 100
MOST_BY_SEARCH = 9_900  # a search ends at 10,000 results; then it is asked anew from the last time seen
SEARCH = "/crm/v3/objects/contacts/search"
_NAME = re.compile(r"[a-z0-9_]{1,100}")
_HINT = "HubSpot: Settings, Integrations, Private Apps, the app's Auth tab. Set it as access_token."


def list_properties(config: SourceConfig) -> tuple[str, ...]:
    """The properties that are fetched: the usual ones and those the source names."""
    more = (piece.strip() for piece in config.settings.get("properties", "").split(","))
    return tuple(dict.fromkeys((*PROPERTIES, *(name for name in more if _NAME.fullmatch(name)))))


def fetch_contact(event: Event, config: SourceConfig, client: Client) -> Event:
    """The event with the contact's properties, or EnrichError; an archived contact is gone."""
    contact_id = identifier(event.content.get("contact_id"))
    if not (contact_id.isascii() and contact_id.isdecimal()):
        raise EnrichError("invalid", "the contact's id is no number", "Check who posts here.")
    query = {"properties": ",".join(list_properties(config))}
    answer = object_at(_get(config, client, f"/crm/v3/objects/contacts/{contact_id}", query))
    properties = filled(object_at(answer, "properties"))
    found = identifier(answer.get("id"))
    merged = text_of(properties.get("hs_merged_object_ids")).replace(",", ";").split(";")
    if found != contact_id and contact_id not in (each.strip() for each in merged):
        raise EnrichError(
            "invalid", "the answer is about another contact", "Ask again; if it stays so, tell HubSpot."
        )
    if answer.get("archived") is True:
        raise EnrichError("gone", "the contact is archived")
    content = {**event.content, "contact_id": found, "properties": properties}
    if found != contact_id:
        content["merged_ids"] = [*event.content.get("merged_ids", []), contact_id]
    occurred_at = find_time(properties.get("lastmodifieddate")) or event.occurred_at
    return replace(event, content=content, occurred_at=occurred_at, needs_enrich=False)


def fetch_page(config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
    """A page of contacts changed since then, as the events their making and last change sent.

    The cursor is `<milliseconds to ask from>|<HubSpot's own cursor>`.
    """
    if not any(config.secrets.get("access_token", ())):
        return BackfillPage()  # a workflow's contacts come whole; nothing else is set up
    start, _, after = cursor.partition("|")
    start = start if start.isdecimal() else str(int(since.timestamp() * 1000))
    answer = object_at(_search(config, client, start, after))
    results = [each for each in objects_in(answer.get("results")) if identifier(each.get("id")).isdecimal()]
    if not results:
        return BackfillPage()
    portal = _portal(config, client)
    events = [event for each in results for event in _events(each, portal, since)]
    following = identifier(object_at(answer, "paging", "next").get("after"))
    last = _milliseconds(results[-1], "lastmodifieddate")
    body = (dump_json(events),) if events else ()
    if not following:
        return BackfillPage(body)
    is_near_the_end = not following.isdecimal() or int(following) >= MOST_BY_SEARCH
    return BackfillPage(
        body, f"{last}|" if is_near_the_end and last and str(last) != start else f"{start}|{following}"
    )


def ask_health(config: SourceConfig, client: Client) -> Health:
    """HubSpot tells nobody whether an app's webhooks are on; what can be seen is whether the token still works."""
    if not any(config.secrets.get("access_token", ())):
        return Health("unknown", "without an access token HubSpot cannot be asked", _HINT)
    _get(config, client, "/crm/v3/objects/contacts", {"limit": "1", "properties": "createdate"})
    return Health("unknown", "the token works; HubSpot does not say whether its webhooks are on")


def _events(each: dict[str, Any], portal: str, since: datetime) -> list[dict[str, Any]]:
    """A contact as its webhooks would have told it: made, where that was since then, and changed, where that was later."""
    made_at, changed_at = _milliseconds(each, "createdate"), _milliseconds(each, "lastmodifieddate")
    event = {"portalId": portal, "objectId": identifier(each.get("id"))}
    events = []
    if made_at and made_at >= int(since.timestamp() * 1000):
        events.append({**event, "subscriptionType": "contact.creation", "occurredAt": made_at})
    if changed_at and changed_at != made_at:
        events.append({**event, "subscriptionType": "contact.propertyChange", "occurredAt": changed_at})
    return events


def _milliseconds(each: dict[str, Any], name: str) -> int:
    moment = find_time(object_at(each, "properties").get(name))
    return int(moment.astimezone(UTC).timestamp() * 1000) if moment else 0


def _portal(config: SourceConfig, client: Client) -> str:
    known = config.settings.get("portal_id", "").strip()
    if known:
        return known
    try:
        return identifier(object_at(_get(config, client, "/account-info/v3/details", {})).get("portalId"))
    except EnrichError as error:
        if error.outcome != "blocked_credentials":
            raise
        # The token reads contacts, or nobody would have come this far; it may not read its own account.
        raise EnrichError(
            "invalid", "the token may not see which account it is of", "Set portal_id to your Hub ID."
        ) from None


def _search(config: SourceConfig, client: Client, start: str, after: str) -> Any:
    asked = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": start}
    body = {
        "filterGroups": [{"filters": [asked]}],
        "sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}],
        "properties": ["createdate", "lastmodifieddate"],
        "limit": PAGE_SIZE,
    } | ({"after": after} if after else {})
    return _ask(config, lambda token: client.post_json(SEARCH, body, {"Authorization": f"Bearer {token}"}))


def _get(config: SourceConfig, client: Client, path: str, query: dict[str, str]) -> Any:
    return _ask(config, lambda token: client.get_json(path, query, {"Authorization": f"Bearer {token}"}))


def _ask(config: SourceConfig, ask: Any) -> Any:
    tokens = config.secrets.get("access_token", ())
    return ask_with_each(tokens, "the source has no access token, so HubSpot cannot be asked", _HINT, ask)
