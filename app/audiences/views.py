"""What planning looks at: frozen views of an audience, a contact and the mirror. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from app.audiences.entry import EntryTest, Facts, compile_entry
from app.audiences.formats import FieldSpec
from app.audiences.outward import Outward, Shape, make_shape
from app.audiences.valve import Standing

# Directions of fields that are not sent to somebody who may be a member already and was never read: what stands there
# is not ours to replace.
CAREFUL = frozenset({"theirs", "review"})
# `members.pushed_hash` of somebody whom Muster itself took out, so that Muster may take them in again.
LEFT = "left"
# ... and of somebody whom Muster wrote, without knowing all that stands there.
STALE = "stale"
# A member taken over from somebody else: ours, and what that one permitted is nobody else's consent.
HEIR = "heir"


@dataclass(frozen=True, slots=True)
class InterestRule:
    """When an interest is set: for contacts with a tag, or with one of these values in a field (all folded)."""

    interest_id: str
    tag: str = ""
    field: str = ""
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AudienceView:
    """An audience's settings. `form_url` is Mailchimp's hosted form for people whom the API may not add.

    What is compiled from them (`shape`, `entry`, `interest_rules`) is made once, with the view.
    """

    audience_id: int
    destination_id: int
    slug: str
    list_id: str
    channel: str = "email"
    purpose: str = "newsletter"
    merge_fields: Mapping[str, Any] = field(default_factory=dict)  # tag -> contact field, or an object
    schema: Mapping[str, FieldSpec] = field(default_factory=dict)  # tag -> what the audience accepts
    managed_tags: tuple[str, ...] = ()
    entry_rule: Mapping[str, Any] = field(default_factory=dict)
    is_double_opt_in: bool = False
    on_leave: str = "archive"
    form_url: str = ""
    on_return: str = "pending_once"
    interests: Mapping[str, Any] = field(default_factory=dict)  # interest id -> {"tag"} or {"field", "is"}
    marketing_permissions: Mapping[str, str] = field(default_factory=dict)  # permission id -> purpose
    contact_id_field: str = ""
    gone_tags: tuple[str, ...] = ()  # mapped, but no longer there at Mailchimp
    gone_interests: tuple[str, ...] = ()  # managed, but no longer there
    gone_permissions: tuple[str, ...] = ()  # managed, but refused, and not in `marketing_permissions` for it
    is_read: bool = True  # Mailchimp's members were read once, so that a new one is known to be new
    shape: Shape = field(init=False, compare=False, repr=False)
    entry: EntryTest = field(init=False, compare=False, repr=False)
    interest_rules: tuple[InterestRule, ...] = field(init=False, compare=False, repr=False)
    tag_order: tuple[tuple[str, str], ...] = field(init=False, compare=False, repr=False)  # (tag, folded)
    mapped_tags: frozenset[str] = field(
        init=False, compare=False, repr=False
    )  # that Muster fills, its own id's too
    careful_tags: frozenset[str] = field(init=False, compare=False, repr=False)  # with a direction of CAREFUL

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "shape", make_shape(self.merge_fields, self.schema, self.gone_tags))
        put(self, "entry", compile_entry(self.entry_rule))
        put(self, "interest_rules", tuple(map(_interest_rule, sorted(self.interests.items()))))
        put(self, "tag_order", tuple((tag, tag.casefold()) for tag in sorted(self.managed_tags)))
        own = {self.contact_id_field} if self.contact_id_field else set()
        outward = self.shape.outward.fields
        put(self, "mapped_tags", frozenset({*outward, *own}))
        careful = (tag for tag, one in outward.items() if one.direction in CAREFUL)
        put(self, "careful_tags", frozenset(careful))

    @property
    def outward(self) -> Outward:
        """The merge-field mapping, compiled: inputs and direction of each tag."""
        return self.shape.outward

    def without_gone(self, permissions: Mapping[str, bool]) -> dict[str, bool]:
        """Without the marketing permissions that Mailchimp is known to refuse."""
        return {one: is_given for one, is_given in permissions.items() if one not in self.gone_permissions}

    @property
    def form_hint(self) -> str:
        return f"Send them the audience's own form: {self.form_url}" if self.form_url else ""


def _interest_rule(pair: tuple[str, Any]) -> InterestRule:
    interest_id, rule = pair
    if "tag" in rule:
        return InterestRule(interest_id, str(rule["tag"]).strip().casefold())
    wanted = rule.get("is")
    values = wanted if isinstance(wanted, list) else [wanted]
    return InterestRule(
        interest_id,
        "",
        str(rule.get("field") or ""),
        frozenset(str(one).strip().casefold() for one in values),
    )


class ContactView(msgspec.Struct, frozen=True, gc=False):
    """A contact as far as audiences are concerned. `speaker_id` is who stands for the address when it is shared.

    `provenance`, `sources`, `purposes` and `withdrawn` are loaded only where the audience's settings look at them.
    """

    contact_id: int
    state: str = "active"
    fields: Mapping[str, Any] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    standing: Standing = msgspec.field(default_factory=Standing)
    speaker_id: int | None = None
    provenance: Mapping[str, Any] = msgspec.field(default_factory=dict)
    sources: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()  # of the audience's channel, to which consent is given
    withdrawn: tuple[str, ...] = ()  # of the same channel, to which it is withdrawn; "*" is every purpose
    refused: tuple[str, ...] = ()  # the same, by others at the address

    @property
    def email(self) -> str:
        return str(self.fields.get("email") or "").strip()

    @property
    def facts(self) -> Facts:
        """What an entry rule looks at."""
        return Facts(self.fields, self.tags, self.sources, self.purposes)


class Mirror(msgspec.Struct, frozen=True, gc=False):
    """What Mailchimp last said of a contact in an audience, and the hash of what was last written."""

    email: str
    member_hash: str
    status: str = ""
    merge_fields: Mapping[str, Any] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    pushed_hash: str = ""
    remote_contact_id: str = ""
    last_changed: datetime | None = None
    sync_state: str = "ok"
    error: Mapping[str, Any] | None = None
    interests: Mapping[str, bool] = msgspec.field(default_factory=dict)
    marketing_permissions: Mapping[str, bool] = msgspec.field(default_factory=dict)
    theirs_changed: Mapping[str, str] = msgspec.field(default_factory=dict)  # merge tag -> when, as ISO text
    asked_evidence_id: int | None = None
    # The contact has another address by now, and whoever has the member's opted out.
    is_refused_there: bool = False
    # Whose the member is to be should this contact leave it: they have its address, consent and fit the rule.
    heir_id: int | None = None

    @property
    def is_uncertain(self) -> bool:
        """A write was under way and its answer was never settled: the member may or may not be there."""
        return self.status == "" and self.sync_state == "ok"

    @property
    def is_taken_out_by_us(self) -> bool:
        return self.pushed_hash == LEFT

    @property
    def error_code(self) -> str:
        return str((self.error or {}).get("code") or "")

    @property
    def refused_hash(self) -> str:
        """Of the address to which this member could not be moved; empty where none was refused."""
        return str((self.error or {}).get("refused_hash") or "")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a person cannot be synced, or a call failed: for the admin, without personal data."""

    code: str
    reason: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "reason": self.reason, "hint": self.hint}

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False)
