"""The simulator's state as lines: each holds one whole thing, and the last one of a kind and id wins."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from integrations.mailchimp.simulator.audience import Account, Audience
from integrations.mailchimp.simulator.batches import Batch, BatchWebhook
from integrations.mailchimp.simulator.connections import Connections
from integrations.mailchimp.simulator.member import Member, share
from integrations.mailchimp.simulator.parts import (
    Campaign,
    Category,
    Interest,
    MergeField,
    Story,
    Tag,
    Webhook,
)

MEMBER_FIELDS = tuple(one.name for one in fields(Member) if one.name != "counted_status")
SHARED_FIELDS = ("merge_tags", "tag_ids", "tag_times", "dropped_tags", "interests", "permissions")
AUDIENCE_FIELDS = (
    "list_id", "name", "api_key", "web_id", "created_at", "is_double_optin", "has_permissions", "permissions", "about",
)  # fmt: skip
# Members as the first release wrote them.
OLD_MEMBER_FIELDS = (
    "contact_id", "web_id", "email", "status", "cause", "email_type", "merge_fields", "tags", "dropped_tags",
    "ip_signup", "signup_at", "ip_opt", "opt_at", "changed_at", "unsubscribed_at", "language", "is_vip", "latitude",
    "longitude", "source", "unique_id",
)  # fmt: skip
EXTRA_KINDS = ("connections", "batches", "batch_webhooks")


@dataclass(slots=True)
class State:
    """All that outlives a restart."""

    accounts: dict[str, Account] = field(default_factory=dict)
    audiences: dict[str, Audience] = field(default_factory=dict)
    offset_seconds: float = 0.0
    connections: Connections = field(default_factory=Connections)
    batches: dict[str, Batch] = field(default_factory=dict)
    batch_webhooks: dict[str, BatchWebhook] = field(default_factory=dict)

    def take(self, kind: str, key: str, body: Any) -> None:
        """Apply one line."""
        if kind == "many":
            for line in body:
                self.take(*line)
        elif kind == "account":
            self.accounts[key] = Account(api_key=key, **body)
        elif kind == "clock":
            self.offset_seconds = float(body)
        elif kind == "audience":
            _take_audience(self.audiences, body)
        elif kind == "deleted":
            self.audiences.pop(key, None)
        elif kind == "connections":
            self.connections = Connections(
                body["clients"], body["codes"], body["tokens"], set(body["revoked"])
            )
        elif kind == "batches":
            self.batches = {one["batch_id"]: Batch(**one) for one in body}
        elif kind == "batch_webhooks":
            self.batch_webhooks = {one["webhook_id"]: BatchWebhook(**one) for one in body}
        else:
            _take_part(self.audiences[key], kind, body)


def member_line(list_id: str, member: Member) -> list[Any]:
    return ["m", list_id, [getattr(member, name) for name in MEMBER_FIELDS]]


def audience_line(audience: Audience) -> list[Any]:
    return [
        "audience",
        audience.list_id,
        {
            **{name: getattr(audience, name) for name in AUDIENCE_FIELDS},
            "merge_fields": [asdict(one) for one in audience.merge_fields.values()],
            "webhooks": [asdict(one) for one in audience.webhooks.values()],
            "tags": [asdict(one) for one in audience.tags.values()],
            "categories": [asdict(one) for one in audience.categories.values()],
            "interests": [asdict(one) for one in audience.interests.values()],
            "campaigns": [
                {**asdict(one), "recipients": sorted(one.recipients)} for one in audience.campaigns.values()
            ],
            "abuse_reports": audience.abuse_reports,
            "forgotten": sorted(audience.forgotten),
            "signup_blocks": audience.signup_blocks,
        },
    ]


def account_line(account: Account) -> list[Any]:
    names = ("name", "account_id", "about", "metadata", "constraints", "is_revoked", "is_disabled")
    return ["account", account.api_key, {name: getattr(account, name) for name in names}]


def story_line(audience: Audience, contact_id: str) -> list[Any]:
    return ["story", audience.list_id, [contact_id, asdict(audience.stories.get(contact_id) or Story())]]


def tally_line(audience: Audience) -> list[Any]:
    """The days alone: months are counted again from the members' lines, until a rewrite loses those."""
    day = max(audience.days)
    return ["day", audience.list_id, [day, audience.days[day]]]


def extra_lines(state: State, kinds: Sequence[str] = EXTRA_KINDS) -> list[list[Any]]:
    known = state.connections
    told: dict[str, Any] = {
        "connections": {
            "clients": known.clients,
            "codes": known.codes,
            "tokens": known.tokens,
            "revoked": sorted(known.revoked),
        },
        "batches": [asdict(one) for one in state.batches.values()],
        "batch_webhooks": [asdict(one) for one in state.batch_webhooks.values()],
    }
    return [[kind, "", told[kind]] for kind in kinds]


def state_lines(state: State) -> Iterator[list[Any]]:
    yield ["clock", "", state.offset_seconds]
    for account in state.accounts.values():
        yield account_line(account)
    for audience in state.audiences.values():
        yield audience_line(audience)
        for member in audience.members():
            yield member_line(audience.list_id, member)
        for contact_id in audience.stories:
            yield story_line(audience, contact_id)
        yield ["tallies", audience.list_id, [audience.days, audience.months]]
    yield from extra_lines(state)


def _member(values: list[Any]) -> Member:
    told = dict(zip(MEMBER_FIELDS, values, strict=True))
    for name in SHARED_FIELDS:
        told[name] = share(tuple(told[name]))
    told["merge_values"] = tuple(tuple(one) if type(one) is list else one for one in told["merge_values"])
    return Member(**told)


def _old_member(values: list[Any]) -> Member:
    told = dict(zip(OLD_MEMBER_FIELDS, values, strict=True))
    merge_fields, tags = told.pop("merge_fields"), told.pop("tags")
    told["dropped_tags"] = tuple(told["dropped_tags"])
    member = Member(**told)
    member.merge_fields = merge_fields
    member.set_tags(tuple(int(one) for one in tags), tuple(tags.values()))
    return member


def _take_audience(audiences: dict[str, Audience], body: dict[str, Any]) -> None:
    """Settings are taken over; members, stories and counts stay where the audience was known."""
    audience = audiences.get(body["list_id"]) or Audience(body["list_id"], body["name"], body["api_key"])
    for name in AUDIENCE_FIELDS:
        setattr(audience, name, body.get(name, getattr(audience, name)))
    audience.merge_fields = {one["merge_id"]: MergeField(**one) for one in body["merge_fields"]}
    audience.webhooks = {one["webhook_id"]: Webhook(**one) for one in body["webhooks"]}
    audience.tags, audience.tag_ids = {}, {}
    for one in body.get("tags", ()):
        audience.put_tag(Tag(**one))
    for tag_id, name in body.get("tag_names", ()):  # of the first release
        audience.put_tag(Tag(tag_id, name))
    audience.categories = {one["category_id"]: Category(**one) for one in body.get("categories", ())}
    audience.interests = {one["interest_id"]: Interest(**one) for one in body.get("interests", ())}
    audience.campaigns = {
        one["campaign_id"]: Campaign(**{**one, "recipients": set(one["recipients"])})
        for one in body.get("campaigns", ())
    }
    audience.abuse_reports = body.get("abuse_reports", [])
    audience.forgotten = set(body["forgotten"])
    audience.signup_blocks = body["signup_blocks"]
    audience.shown_fields = audience.texts = None
    audiences[audience.list_id] = audience


def _take_part(audience: Audience, kind: str, body: Any) -> None:
    if kind in {"m", "member"}:
        member = _member(body) if kind == "m" else _old_member(body)
        before = audience.by_contact.get(member.contact_id)
        if before is not None:
            member.counted_status = before.counted_status
            audience.by_hash.pop(before.hash, None)
        audience.put(member)
    elif kind == "dropped" and body in audience.by_contact:
        audience.drop(audience.by_contact[body])
    elif kind == "forgotten":
        audience.forgotten.add(body)
    elif kind == "admitted":
        audience.forgotten.discard(body)
    elif kind == "story":
        audience.stories[body[0]] = Story(**body[1])
    elif kind == "day":
        audience.days[body[0]] = body[1]
    elif kind == "tallies":
        audience.days, audience.months = body
