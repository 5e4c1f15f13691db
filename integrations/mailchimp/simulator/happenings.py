"""What audience webhooks are told: the happening, its fields, and the signed form that is sent.

Formats: https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/ and captured bodies (2026-11).
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member, unique_id_of
from integrations.mailchimp.simulator.parts import Webhook


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a webhook may want to hear of, with the fields as they were at that moment."""

    kind: str  # subscribe, unsubscribe, profile, upemail, cleaned
    source: str  # user, admin, api
    webhooks: tuple[Webhook, ...]
    fields: Mapping[str, Any]
    at: int


def happening(
    audience: Audience, kind: str, source: str, fields: Callable[[], Mapping[str, Any]], at: int
) -> Happening | None:
    """The happening, or None where no webhook wants it; `fields` is only asked when one does.

    Without a source (campaigns) the webhooks' sources do not matter.
    """
    wanted = tuple(
        webhook
        for webhook in audience.webhooks.values()
        if webhook.events.get(kind) and (not source or webhook.sources.get(source))
    )
    return Happening(kind, source, wanted, fields(), at) if wanted else None


def member_fields(audience: Audience, member: Member, *names: str) -> dict[str, Any]:
    """The named fields of a delivery, in that order. An address arrives nested, everything else as text."""
    values = member.merge_fields
    merges: dict[str, Any] = {"EMAIL": member.email}
    merges |= {tag: values.get(tag, "") for tag in audience.fields_by_tag()}
    if audience.categories:
        merges |= _group_fields(audience, member)
    known: dict[str, Any] = {
        "id": unique_id_of(member.email),
        "list_id": audience.list_id,
        "email": member.email,
        "email_type": member.email_type,
        "ip_opt": member.ip_opt,
        "ip_signup": member.ip_signup,
        "web_id": member.web_id,
        "merges": merges,
    }
    return {name: known[name] for name in names}


def _group_fields(audience: Audience, member: Member) -> dict[str, Any]:
    """INTERESTS, and GROUPINGS with a number for each category; a comma in a name is escaped."""
    groupings, names = {}, list[str]()
    for number, category in enumerate(audience.categories.values()):
        chosen = [
            one.name.replace(",", "\\,")
            for one in audience.interests.values()
            if one.category_id == category.category_id and one.interest_id in member.interests
        ]
        names += chosen
        told = {"id": str(number + 1), "unique_id": category.category_id, "name": category.title}
        groupings[number] = {**told, "groups": ", ".join(chosen)}
    return {"INTERESTS": ", ".join(names), "GROUPINGS": groupings}


def form_body(kind: str, at: int, fields: Mapping[str, Any]) -> bytes:
    """`type=...&fired_at=...&data[...]=...`, encoded as PHP's http_build_query does."""
    fired_at = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    pairs: list[tuple[str, Any]] = [("type", kind), ("fired_at", fired_at)]
    pairs += _flatten("data", fields)
    return "&".join(f"{quote_plus(name)}={quote_plus(str(value))}" for name, value in pairs).encode()


def _flatten(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [pair for name, part in value.items() for pair in _flatten(f"{prefix}[{name}]", part)]
    return [(prefix, value)]


def signature_header(secrets: Sequence[str], body: bytes, at: int) -> str:
    """X-Mailchimp-Signature: HMAC-SHA256 over "{t}.{raw body}"; several v1 while secrets are changed over."""
    told = f"{at}.".encode() + body
    digests = [hmac.new(secret.encode(), told, hashlib.sha256).hexdigest() for secret in secrets]
    return f"t={at}," + ",".join(f"v1={digest}" for digest in digests)
