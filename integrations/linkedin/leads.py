"""LinkedIn's API: a lead and its form, the leads of a time, and the subscriptions there are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from integrations.kit.addresses import is_hook_of
from integrations.kit.contract import BackfillPage, Client, EnrichError, Event, Health, SourceConfig
from integrations.kit.fetch import Encoded
from integrations.kit.strict_json import dump_json
from integrations.kit.times import find_time
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import filled, identifier, object_at, objects_in, short_name, text_of
from integrations.linkedin.forms import Form, read_answers, read_form
from integrations.linkedin.notices import LEAD, form_of, lead_id_of

VERSION = "202606"
PAGE_SIZE = 100
_VERSION = re.compile(r"20[0-9]{4}", re.ASCII)
_OWNER = re.compile(r"urn:li:(sponsoredAccount|organization):[0-9]{1,20}", re.ASCII)
# What an owner of each kind can have leads of.
_LEAD_TYPES = {
    "sponsoredAccount": ("SPONSORED",),
    "organization": ("COMPANY", "EVENT", "ORGANIZATION_PRODUCT"),
}
_MISSING = "the source has no access token, so leads cannot be fetched"
_MISSING_HINT = "Press Connect on the source's page, or set access_token."
_NO_OWNER = "the source names no owner of leads"
_NO_OWNER_HINT = "Set owners on the source, such as urn:li:sponsoredAccount:123, urn:li:organization:456."
_MOST_FORMS = 256


@dataclass(frozen=True, slots=True)
class Owner:
    """An ad account or an organisation, with one type of its leads."""

    urn: str
    lead_type: str

    @property
    def kind(self) -> str:
        return self.urn.split(":")[2]

    @property
    def written(self) -> str:
        """As Rest.li wants it in a query: structure as it is, the URN encoded."""
        return f"({self.kind}:{quote(self.urn, safe='')})"


class LeadApi:
    """The calls behind `enrich`, `backfill` and `health`; a form's version is fetched once a process."""

    def __init__(self) -> None:
        self._forms: dict[tuple[str, ...], Form] = {}

    def fetch_lead(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The event with the lead's answers as content, or EnrichError."""
        lead_id = lead_id_of(event.content.get("urn"))
        if not lead_id:
            raise EnrichError("invalid", "the lead's id is none", "Check who posts to this address.")
        lead = _get(config, client, f"/rest/leadFormResponses/{lead_id}", {})
        if not isinstance(lead, dict) or identifier(lead.get("id")) not in ("", lead_id):
            raise EnrichError(
                "invalid", "the answer is about another lead", "Ask again; if it stays so, tell LinkedIn."
            )
        form_id, version = form_of(lead.get("versionedLeadGenFormUrn"))
        form_id, version = (
            event.content.get("form_id") or form_id,
            event.content.get("form_version") or version,
        )
        form = self._form(form_id, version, config, client)
        return replace(
            event,
            content=_content(lead, form, event, config),
            occurred_at=find_time(lead.get("submittedAt")) or event.occurred_at,
            needs_enrich=False,
        )

    def _form(self, form_id: str, version: str, config: SourceConfig, client: Client) -> Form:
        """The form of a lead; one that is gone means only that names must do for meanings."""
        if not form_id:
            return Form()
        key = (config.slug, config.settings.get("api_base_url", ""), form_id, version)
        if version and key in self._forms:
            return self._forms[key]
        try:
            form = read_form(_get(config, client, f"/rest/leadForms/{form_id}", {}))
        except EnrichError as error:
            if error.outcome != "gone":
                raise
            return Form()
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        if version:
            self._forms[key] = form
        return form


def backfill_leads(config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
    """One page of the leads of one owner and type since then; the cursor says which and from where."""
    owners = list(list_owners(config))
    if not owners:
        raise EnrichError("invalid", _NO_OWNER, _NO_OWNER_HINT)
    place, start = _place(cursor)
    if place >= len(owners):
        return BackfillPage()
    answer = _get(config, client, "/rest/leadFormResponses", _leads_query(owners[place], since, start))
    elements = objects_in(object_at(answer).get("elements"))
    bodies = tuple(dump_json(notice) for each in elements if (notice := _notice(each, owners[place])))
    if len(elements) >= PAGE_SIZE or _has_next(answer):
        return BackfillPage(bodies, f"{place}:{start + len(elements)}" if elements else _after(place, owners))
    return BackfillPage(bodies, _after(place, owners))


def ask_health(config: SourceConfig, client: Client) -> Health:
    """Whether every owner still has a subscription that leads here."""
    owners = list(list_owners(config))
    if not owners:
        return Health("unknown", _NO_OWNER, _NO_OWNER_HINT)
    for urn in dict.fromkeys(owner.urn for owner in owners):
        if not any(_is_subscribed(owner, config, client) for owner in owners if owner.urn == urn):
            return Health(
                "dead",
                f"LinkedIn sends no leads of {urn} here",
                "Subscribe again: POST /rest/leadNotifications; check that the admin still has the role.",
            )
    return Health("alive")


def list_owners(config: SourceConfig) -> Iterator[Owner]:
    """Every owner with every type of lead it can have; what is no owner is left out."""
    for urn in config.settings.get("owners", "").replace(",", " ").split():
        found = _OWNER.fullmatch(urn)
        if found:
            yield from (Owner(urn, lead_type) for lead_type in _LEAD_TYPES[found[1]])


def is_version(text: str) -> bool:
    """Whether it is a version of LinkedIn's API, such as 202606 (it becomes a header)."""
    return bool(_VERSION.fullmatch(text))


def _get(config: SourceConfig, client: Client, path: str, query: Mapping[str, str]) -> Any:
    version = config.settings.get("api_version") or VERSION
    if not is_version(version):
        raise EnrichError("invalid", "the API version is no version", "Write year and month, like 202606.")
    headers = {"LinkedIn-Version": version, "X-Restli-Protocol-Version": "2.0.0"}
    ask = partial(_ask, client, path, query, headers)
    return ask_with_each(config.secrets.get("access_token", ()), _MISSING, _MISSING_HINT, ask)


def _ask(client: Client, path: str, query: Mapping[str, str], headers: Mapping[str, str], token: str) -> Any:
    return client.get_json(path, query, {**headers, "Authorization": f"Bearer {token}"})


def _content(lead: Mapping[str, Any], form: Form, event: Event, config: SourceConfig) -> dict[str, Any]:
    submitted_at = find_time(lead.get("submittedAt"))
    about = {
        **event.content,
        "app": config.settings.get("client_id", "").strip(),
        "submitter": identifier(lead.get("submitter")),
        "submitted_at": submitted_at.isoformat().replace("+00:00", "Z") if submitted_at else "",
        "campaign": identifier(object_at(lead, "leadMetadata", "sponsoredLeadMetadata").get("campaign")),
        "is_test": lead.get("testLead") is True or None,
    }
    return filled({**about, **read_answers(object_at(lead, "formResponse"), form)})


def _leads_query(owner: Owner, since: datetime, start: int) -> dict[str, str]:
    began_at = int(since.astimezone(UTC).timestamp() * 1000)
    return {
        "q": "owner",
        "owner": Encoded(owner.written),
        "leadType": Encoded(f"(leadType:{owner.lead_type})"),
        "limitedToTestLeads": "false",
        "submittedAtTimeRange": Encoded(f"(start:{began_at})"),
        "count": str(PAGE_SIZE),
        "start": str(start),
    }


def _notice(lead: Mapping[str, Any], owner: Owner) -> dict[str, Any] | None:
    """The notice that the webhook would have brought for a lead."""
    lead_id = lead_id_of(identifier(lead.get("id")))
    if not lead_id:
        return None
    return {
        "type": LEAD,
        "leadGenFormResponse": f"urn:li:leadGenFormResponse:{lead_id}",
        "leadGenForm": text_of(lead.get("versionedLeadGenFormUrn")),
        "owner": {owner.kind: owner.urn},
        "leadType": short_name(lead.get("leadType"), owner.lead_type),
        "leadAction": "CREATED",
        "occurredAt": lead.get("submittedAt"),
    }


def _is_subscribed(owner: Owner, config: SourceConfig, client: Client) -> bool:
    query = {
        "q": "criteria",
        "owner": Encoded(f"(value:{owner.written})"),
        "leadType": Encoded(f"(leadType:{owner.lead_type})"),
    }
    answer = _get(config, client, "/rest/leadNotifications", query)
    hooks = objects_in(object_at(answer).get("elements"))
    return any(is_hook_of(hook.get("webhook"), config.slug) for hook in hooks)


def _has_next(answer: Any) -> bool:
    return any(link.get("rel") == "next" for link in objects_in(object_at(answer, "paging").get("links")))


def _place(cursor: str) -> tuple[int, int]:
    place, _, start = cursor.partition(":")
    return (int(place) if place.isdecimal() else 0, int(start) if start.isdecimal() else 0)


def _after(place: int, owners: list[Owner]) -> str:
    return f"{place + 1}:0" if place + 1 < len(owners) else ""
