"""What a mapping yields: contact patches, and the problems it met on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Identity:
    """A value that points at a person. `value` is as given; matching forms are made in `app.contacts`."""

    kind: str  # "email", "phone" or a platform's id kind such as "meta_psid"
    value: str
    scope: str = ""  # the page, app, list or environment inside which the value is unique


@dataclass(frozen=True, slots=True)
class ConsentEvidence:
    """One statement about what a person agreed to. A mapping can emit evidence, never a status."""

    channel: str  # "email"
    purpose: str  # "newsletter"; "*" on a withdrawal means every purpose of the channel
    verdict: Literal["given", "withdrawn"]
    # "claimed": somebody typed the address (a form, a sheet). "confirmed": the owner of the address acted on it
    # (a click in a confirmation mail, Mailchimp's own sign-up). Only confirmed evidence lifts an earlier opt-out.
    proof: Literal["claimed", "confirmed"] = "claimed"
    wording: str = ""  # the text or the version of the text agreed to
    method: str = ""  # "form", "disclaimer", "unsubscribe", "cleaned", "abuse", "solicit_code"
    occurred_at: datetime | None = None  # aware; None = the event's time
    address: str = ""  # the address it is about, where the event names one; "" = every address of the patch


@dataclass(frozen=True, slots=True)
class ContactPatch:
    """What one event says about one person; never a whole contact."""

    identities: tuple[Identity, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)  # field name -> JSON value
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    consents: tuple[ConsentEvidence, ...] = ()
    occurred_at: datetime | None = None  # aware; None = the event's time
    summary: str = ""  # one line for the timeline, without personal data
    is_erasure: bool = False  # the platform says: this person's data must go


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a rule, or a whole document, is wrong; in the words of the person who can fix it."""

    path: str  # where: "fields[2].do[1]" in a document, "fields.email" for a value
    code: str  # "required", "not_an_email", "unknown_step", ...
    reason: str  # one sentence
    hint: str = ""  # the next step
    value: str = ""  # what stood there, cut to 80 characters
    field: str = ""  # the contact field concerned
    line: int | None = None  # 1-based line in the document


@dataclass(frozen=True, slots=True)
class MappingResult:
    """What one event became. Exactly one of: patches, `ignored`, `rejected`."""

    patches: tuple[ContactPatch, ...] = ()
    warnings: tuple[Problem, ...] = ()
    rejected: Problem | None = None
    ignored: str = ""  # the reason, where `when` says that this event is not for us
