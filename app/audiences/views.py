"""What planning looks at: frozen views of an audience, a contact and the mirror. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.audiences.formats import FieldSpec
from app.audiences.valve import Standing

# `members.pushed_hash` of somebody whom Muster itself took out, so that Muster may take them in again.
LEFT = "left"


@dataclass(frozen=True, slots=True)
class AudienceView:
    """An audience's settings. `form_url` is Mailchimp's hosted form for people whom the API may not add."""

    audience_id: int
    destination_id: int
    slug: str
    list_id: str
    channel: str = "email"
    purpose: str = "newsletter"
    merge_fields: Mapping[str, str] = field(default_factory=dict)  # tag -> contact field
    schema: Mapping[str, FieldSpec] = field(default_factory=dict)  # tag -> what the audience accepts
    managed_tags: tuple[str, ...] = ()
    entry_rule: Mapping[str, Any] = field(default_factory=dict)
    is_double_opt_in: bool = False
    on_leave: str = "archive"
    form_url: str = ""


@dataclass(frozen=True, slots=True)
class ContactView:
    """A contact as far as audiences are concerned. `speaker_id` is who stands for the address when it is shared."""

    contact_id: int
    state: str = "active"
    fields: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    standing: Standing = field(default_factory=Standing)
    speaker_id: int | None = None

    @property
    def email(self) -> str:
        return str(self.fields.get("email") or "").strip()


@dataclass(frozen=True, slots=True)
class Mirror:
    """What Mailchimp last said of a contact in an audience, and the hash of what was last written."""

    email: str
    member_hash: str
    status: str = ""
    merge_fields: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    pushed_hash: str = ""
    remote_contact_id: str = ""
    last_changed: datetime | None = None
    sync_state: str = "ok"
    error: Mapping[str, Any] | None = None

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
