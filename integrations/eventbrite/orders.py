"""What Eventbrite's API is asked: an order with its attendees, an attendee, the orders of a time, the webhooks."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from integrations.eventbrite.signals import API_HOST, PLACED, Target, find_target
from integrations.kit.addresses import is_hook_of
from integrations.kit.answers import Answers
from integrations.kit.contract import BackfillPage, Client, EnrichError, Event, Health, SourceConfig
from integrations.kit.strict_json import dump_json
from integrations.kit.times import find_time
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

_HINT = "Eventbrite: Account settings, Developer links, API keys, Private token. Set it as private_token."
_ORGANIZATION_HINT = (
    "GET https://www.eventbriteapi.com/v3/users/me/organizations/ shows the id; set organization_id."
)
_ORGANIZATION = re.compile(r"[0-9]{1,20}")
# What Eventbrite writes while a ticket's holder has not been asked yet.
_PLACEHOLDERS = frozenset({"info requested", "information requested"})
_PROFILE = {"email": "email", "first_name": "first_name", "last_name": "last_name", "name": "name", "phone": "cell_phone", "organisation": "company", "job_title": "job_title", "website": "website"}  # fmt: skip
_ADDRESS = {"address_line1": "address_1", "address_line2": "address_2", "city": "city", "region": "region", "postal_code": "postal_code", "country": "country"}  # fmt: skip


def fetch_people(event: Event, config: SourceConfig, client: Client) -> Event:
    """The event with `people`: the buyer and every attendee, each once."""
    target = find_target(f"https://{API_HOST}{text_of(event.content.get('path'))}")
    if target is None:
        raise EnrichError("invalid", "the event leads to no order or attendee", "Check who posts here.")
    answer = object_at(_ask(config, client, target.path, {"expand": "attendees"} if target.order_id else {}))
    if not _is_about(answer, target):
        raise EnrichError(
            "invalid",
            "the answer is about another order or attendee",
            "Ask again; if it stays so, tell Eventbrite.",
        )
    attendees = objects_in(answer.get("attendees")) if target.order_id else [answer]
    people = _merge([_buyer(answer)] if target.order_id else [], [_attendee(each) for each in attendees])
    made = {
        **event.content,
        "order_id": target.order_id or identifier(answer.get("order_id")),
        "event_id": identifier(answer.get("event_id")),
        "status": text_of(answer.get("status")),
        "created": text_of(answer.get("created")),
        "changed": text_of(answer.get("changed")),
        "people": people,
    }
    moment = answer.get("created") if event.kind == PLACED else answer.get("changed")
    occurred_at = find_time(moment) or event.occurred_at
    return replace(event, content=filled(made), occurred_at=occurred_at, needs_enrich=False)


def fetch_page(config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
    """Orders changed since then, each as the signals of its placing and of its last change."""
    if not config.settings.get("organization_id", "").strip():
        return BackfillPage()  # reading again is not set up; what comes by webhook does not need it
    query = {"changed_since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    path = f"/v3/organizations/{_organization(config)}/orders/"
    answer = object_at(_ask(config, client, path, query | ({"continuation": cursor} if cursor else {})))
    orders = [each for each in objects_in(answer.get("orders")) if identifier(each.get("id")).isdecimal()]
    bodies = tuple(body for order in orders for body in _signals(order))
    page = object_at(answer, "pagination")
    following = text_of(page.get("continuation")) if page.get("has_more_items") is True else ""
    return BackfillPage(bodies, following if following != cursor else "")


def ask_health(config: SourceConfig, client: Client) -> Health:
    """Whether the organization has a webhook to this source."""
    if not config.settings.get("organization_id", "").strip():
        return Health(
            "unknown",
            "without the organization's id nobody can be asked for its webhooks",
            _ORGANIZATION_HINT,
        )
    answer = _ask(config, client, f"/v3/organizations/{_organization(config)}/webhooks/", {})
    listed = objects_in(object_at(answer).get("webhooks"))
    if any(is_hook_of(each.get("endpoint_url"), config.slug) for each in listed):
        return Health("alive")
    hint = "Account settings, Developer links, Webhooks: add it again, then back-fill what was missed."
    return Health("dead", "Eventbrite has no webhook to this source", hint)


def _signals(order: Mapping[str, Any]) -> list[bytes]:
    url = f"https://{API_HOST}/v3/orders/{identifier(order.get('id'))}/"
    made = [{"config": {"action": PLACED}, "api_url": url}]
    created, changed = find_time(order.get("created")), find_time(order.get("changed"))
    if changed is not None and changed != created:
        made.append(
            {"config": {"action": "order.updated"}, "api_url": url, "changed": text_of(order.get("changed"))}
        )
    return [dump_json(each) for each in made]


def _is_about(answer: Mapping[str, Any], target: Target) -> bool:
    if identifier(answer.get("id")) != (target.order_id or target.attendee_id):
        return False
    return not target.event_id or identifier(answer.get("event_id")) == target.event_id


def _buyer(order: Mapping[str, Any]) -> dict[str, Any]:
    return _known({name: order.get(name) for name in ("email", "first_name", "last_name", "name")}) | {
        "is_buyer": True
    }


def _attendee(attendee: Mapping[str, Any]) -> dict[str, Any]:
    profile = object_at(attendee, "profile")
    addresses = (object_at(profile, "addresses", name) for name in ("home", "work", "bill", "ship"))
    address = next((each for each in addresses if each), {})
    answers = Answers()
    for each in objects_in(attendee.get("answers")):
        answers.add(text_of(each.get("question")), each.get("answer"))
    made = {name: profile.get(theirs) for name, theirs in _PROFILE.items()}
    made |= {name: address.get(theirs) for name, theirs in _ADDRESS.items()}
    made |= {
        "attendee_id": identifier(attendee.get("id")),
        "ticket": text_of(attendee.get("ticket_class_name")),
        "status": text_of(attendee.get("status")),
        "checked_in": attendee.get("checked_in") is True or None,
    }
    return _known(made) | answers.content()


def _known(person: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in filled(dict(person)).items()
        if not (isinstance(value, str) and value.strip().lower() in _PLACEHOLDERS)
    }


def _merge(buyers: list[dict[str, Any]], attendees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The buyer and the attendees; the buyer's own ticket tells more about the same person."""
    people = list(attendees)
    for buyer in buyers:
        address = text_of(buyer.get("email")).strip().lower()
        same = [
            at
            for at, each in enumerate(people)
            if text_of(each.get("email")).strip().lower() == address and address
        ]
        if same:
            people[same[0]] = {**buyer, **people[same[0]]}
        else:
            people.insert(0, buyer)
    return people


def _organization(config: SourceConfig) -> str:
    given = config.settings.get("organization_id", "").strip()
    if not _ORGANIZATION.fullmatch(given):
        raise EnrichError("invalid", "organization_id is no number", _ORGANIZATION_HINT)
    return given


def _ask(config: SourceConfig, client: Client, path: str, query: dict[str, str]) -> Any:
    return ask_with_each(
        config.secrets.get("private_token", ()),
        "the source has no private token, so Eventbrite cannot be asked",
        _HINT,
        lambda token: client.get_json(path, query, {"Authorization": f"Bearer {token}"}),
    )
