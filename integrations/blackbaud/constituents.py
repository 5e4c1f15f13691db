"""SKY API: a constituent with addresses, telephones, education and wishes; those changed since; the subscriptions.

https://developer.sky.blackbaud.com/api (Constituent, Communication Preference, Webhook), seen 2026-11-22.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.blackbaud.notices import CONSTITUENT_ID
from integrations.kit.addresses import is_hook_of
from integrations.kit.contract import BackfillPage, Client, EnrichError, Event, Health, SourceConfig
from integrations.kit.strict_json import dump_json
from integrations.kit.times import find_time
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

PAGE_SIZE = 500
_CONSTITUENTS = "/constituent/v1/constituents"
_PREFERENCES = "/commpref/v1/constituents"
_MISSING = "the source has no access token or no subscription key, so constituents cannot be fetched"
_MISSING_HINT = (
    "Press Connect on the source's page, and set subscription_key from your SKY developer account."
)
_NO_ENVIRONMENT = "the source does not name its environment"
_NO_ENVIRONMENT_HINT = "Set environment_id: it stands in subject of every delivery, /environments/<id>."
_NO = frozenset({"no", "false", "0", "off"})
_LONGEST_CURSOR = 2_000
_COPIED = ("lookup_id", "title", "first", "middle", "last", "suffix", "preferred_name", "former_name", "name")
_ADDRESS = ("address_lines", "city", "state", "postal_code", "country")
Ask = Callable[[str, Mapping[str, str]], Any]


def fetch_constituent(event: Event, config: SourceConfig, client: Client) -> Event:
    """The event with all there is to know of the constituent as content, or EnrichError."""
    number = identifier(event.content.get("constituent_id"))
    if not CONSTITUENT_ID.fullmatch(number):
        raise EnrichError("invalid", "the constituent's id is no number", "Check who posts to this address.")
    ask = _asking(config, client)
    answer = ask(f"{_CONSTITUENTS}/{number}", {})
    if identifier(object_at(answer).get("id")) != number:
        raise EnrichError(
            "invalid", "the answer is about another constituent", "Ask again; if it stays so, tell Blackbaud."
        )
    content = {**event.content, **_person(object_at(answer)), **_reached(ask, number, object_at(answer))}
    if _is_on(config, "fetch_educations"):
        content["class_year"] = _class_year(_list(ask, f"{_CONSTITUENTS}/{number}/educations"))
    if _is_on(config, "fetch_preferences"):
        content |= _wishes(ask, number, event.occurred_at)
    return replace(event, content=filled(content), needs_enrich=False)


def backfill_constituents(config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
    """A page of constituents changed since then, as the events that a webhook would have brought."""
    environment = config.settings.get("environment_id", "").strip()
    if not environment:
        raise EnrichError("invalid", _NO_ENVIRONMENT, _NO_ENVIRONMENT_HINT)
    began_at = since.astimezone(UTC).isoformat().replace("+00:00", "Z")
    first = {
        "last_modified": began_at,
        "include_inactive": "true",
        "include_deceased": "true",
        "limit": str(PAGE_SIZE),
    }
    answer = object_at(_asking(config, client)(_CONSTITUENTS, dict(parse_qsl(cursor)) if cursor else first))
    found = objects_in(answer.get("value"))
    notices = [
        _notice(each, environment) for each in found if CONSTITUENT_ID.fullmatch(identifier(each.get("id")))
    ]
    following = urlsplit(text_of(answer.get("next_link"))).query if found else ""
    cursor = following if following != cursor and len(following) <= _LONGEST_CURSOR else ""
    return BackfillPage((dump_json(notices),) if notices else (), cursor, "application/cloudevents+json")


def ask_health(config: SourceConfig, client: Client) -> Health:
    """Whether Blackbaud holds subscriptions that lead here, and none of them is in error."""
    answer = object_at(_asking(config, client)("/webhook/v1/subscriptions", {}))
    hooks = [
        each
        for each in objects_in(answer.get("value"))
        if is_hook_of(each.get("webhook_url") or each.get("url"), config.slug)
    ]
    if not hooks:
        hint = "Connect the application again if it was disconnected, then subscribe again: POST /webhook/v1/subscriptions."
        return Health("dead", "Blackbaud holds no subscription for this address", hint)
    failed = [
        text_of(each.get("event_type")) for each in hooks if text_of(each.get("status")).lower() == "error"
    ]
    if failed:
        hint = "Make it again; its address is checked within five minutes."
        return Health("dead", f"the subscription to {failed[0][:80]} is in error", hint)
    return Health("alive")


def _asking(config: SourceConfig, client: Client) -> Ask:
    """A question to SKY API with the subscription's key, and each current token until one is accepted."""
    keys = [key.strip() for key in config.secrets.get("subscription_key", ()) if key.strip()]
    if not keys:
        raise EnrichError("blocked_credentials", _MISSING, _MISSING_HINT)
    tokens = config.secrets.get("access_token", ())

    def ask(path: str, query: Mapping[str, str]) -> Any:
        return ask_with_each(tokens, _MISSING, _MISSING_HINT, partial(_get, client, path, query, keys[0]))

    return ask


def _get(client: Client, path: str, query: Mapping[str, str], key: str, token: str) -> Any:
    return client.get_json(path, query, {"Authorization": f"Bearer {token}", "Bb-Api-Subscription-Key": key})


def _list(ask: Ask, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The entries of a list of the constituent's; one that is not there has none (the constituent itself answered)."""
    try:
        return objects_in(object_at(ask(path, query or {})).get("value"))
    except EnrichError as error:
        if error.outcome != "gone":
            raise
        return []


def _person(answer: dict[str, Any]) -> dict[str, Any]:
    birth = object_at(answer, "birthdate")
    day, month = identifier(birth.get("d")), identifier(birth.get("m"))
    address = object_at(answer, "address")
    return {
        **{name: text_of(answer.get(name)) for name in _COPIED},
        "person_type": text_of(answer.get("type")),
        "deceased": answer.get("deceased") is True or None,
        "inactive": answer.get("inactive") is True or None,
        "birthday": f"{month}/{day}" if day and month else "",
        "address": filled({name: text_of(address.get(name)) for name in _ADDRESS}),
    }


def _reached(ask: Ask, number: str, answer: dict[str, Any]) -> dict[str, Any]:
    """`email` and `phone` to be used, all of them beside, and whether the office said no to that one address."""
    emails = _list(ask, f"{_CONSTITUENTS}/{number}/emailaddresses") or objects_in([answer.get("email")])
    phones = _list(ask, f"{_CONSTITUENTS}/{number}/phones") or objects_in([answer.get("phone")])
    email, phone = _best(emails, "address"), _best(phones, "number")
    return {
        "email": text_of(email.get("address")),
        "do_not_email": email.get("do_not_email") is True or None,
        "phone": text_of(phone.get("number")),
        "emails": [
            filled(
                {
                    "address": text_of(each.get("address")),
                    "type": text_of(each.get("type")),
                    "do_not_email": each.get("do_not_email") is True or None,
                }
            )
            for each in emails
            if text_of(each.get("address")) and each.get("inactive") is not True
        ],
    }


def _best(entries: Iterable[dict[str, Any]], name: str) -> dict[str, Any]:
    """The primary one, else the first, of those in use."""
    usable = [each for each in entries if text_of(each.get(name)) and each.get("inactive") is not True]
    return next((each for each in usable if each.get("primary") is True), usable[0] if usable else {})


def _class_year(educations: list[dict[str, Any]]) -> str:
    years = [identifier(each.get("class_of")) for each in educations if each.get("primary") is True]
    return next(
        (year for year in (*years, *(identifier(each.get("class_of")) for each in educations)) if year), ""
    )


def _wishes(ask: Ask, number: str, now: datetime | None) -> dict[str, Any]:
    """`solicit_codes` in force, and `email_consents` by category in small letters ("all" without one), newest first."""
    codes = _list(ask, f"{_PREFERENCES}/{number}/constituentsolicitcodes")
    consents = _list(ask, f"{_PREFERENCES}/{number}/consents", {"most_recent_only": "true"})
    by_email = [each for each in consents if text_of(each.get("channel")).lower() in ("email", "e-mail")]
    newest = sorted(by_email, key=lambda each: text_of(each.get("consent_date")), reverse=True)
    found: dict[str, Any] = {}
    for each in newest:
        found.setdefault(text_of(each.get("category")).strip().lower() or "all", _consent(each))
    in_force = [text_of(each.get("solicit_code")) for each in codes if not _has_ended(each, now)]
    return {"solicit_codes": [code for code in in_force if code], "email_consents": found}


def _consent(each: dict[str, Any]) -> dict[str, Any]:
    given_at = find_time(each.get("consent_date"))
    return filled(
        {
            "response": text_of(each.get("constituent_consent_response")),
            "at": given_at.isoformat().replace("+00:00", "Z") if given_at else "",
            "wording": text_of(each.get("consent_statement")) or text_of(each.get("privacy_notice")),
            "source": text_of(each.get("source")),
        }
    )


def _has_ended(code: dict[str, Any], now: datetime | None) -> bool:
    ended_at = find_time(code.get("end_date") or code.get("end"))
    return ended_at is not None and now is not None and ended_at < now


def _notice(each: dict[str, Any], environment: str) -> dict[str, Any]:
    changed_at = text_of(each.get("date_modified"))
    number = identifier(each.get("id"))
    return {
        "specversion": "1.0",
        "type": "com.blackbaud.constituent.change.v1",
        "source": "backfill",
        "subject": f"/environments/{environment}",
        "id": f"backfill-{number}-{changed_at}",
        "time": changed_at,
        "data": {"id": number},
    }


def _is_on(config: SourceConfig, name: str) -> bool:
    return config.settings.get(name, "yes").strip().lower() not in _NO
