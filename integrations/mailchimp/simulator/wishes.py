"""What a write asks for: a body checked for shape, and the decision which status comes of it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from integrations.mailchimp.simulator.refusals import Refusal, bad_address, compliance, fake, not_validated

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
COMPLIANCE_CAUSES = frozenset({"contact", "abuse", "bounce"})
EMAIL = re.compile(
    r"^[^@\s\"(),:;<>\[\]\\]+@(?:[A-Za-z0-9_](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}$"
)
FAKE_DOMAINS = frozenset({"example.com", "example.org", "example.net"})
FAKE_LOCAL_PARTS = frozenset({"test", "fake"})
MAX_EMAIL_LENGTH = 254
TYPE_NAMES: Mapping[type, str] = {
    str: "string", bool: "boolean", dict: "object", list: "array", int: "integer", float: "number",
}  # fmt: skip
SHAPE: Mapping[str, type] = {
    "email_address": str,
    "email_type": str,
    "status": str,
    "status_if_new": str,
    "merge_fields": dict,
    "interests": dict,
    "language": str,
    "vip": bool,
    "location": dict,
    "ip_signup": str,
    "timestamp_signup": str,
    "ip_opt": str,
    "timestamp_opt": str,
    "tags": list,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One member write after the check of its shape; None is "not mentioned"."""

    email: str | None = None
    status: str | None = None
    status_if_new: str | None = None
    merge_fields: Mapping[str, Any] | None = None
    tags: tuple[str, ...] = ()
    email_type: str | None = None
    language: str | None = None
    is_vip: bool | None = None
    latitude: float | None = None
    longitude: float | None = None
    ip_signup: str | None = None
    signup_at: int | None = None
    ip_opt: str | None = None
    opt_at: int | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)


def _type_name(value: Any) -> str:
    return "NULL" if value is None else TYPE_NAMES.get(type(value), "string")


def _shape_errors(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    errors = []
    for name, value in body.items():
        wanted = SHAPE.get(name)
        if wanted is not None and not isinstance(value, wanted):
            found = _type_name(value)
            errors.append((name, f"Schema describes {TYPE_NAMES[wanted]}, {found} found instead"))
    errors += [
        (name, "Value must be one of: " + ", ".join(STATUSES))
        for name in ("status", "status_if_new")
        if isinstance(body.get(name), str) and body[name] not in STATUSES
    ]
    merges = body.get("merge_fields")
    errors += [
        (f"merge_fields.{tag}", "Schema describes string, NULL found instead")
        for tag, value in (merges.items() if isinstance(merges, dict) else ())
        if value is None
    ]
    return errors


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    if None in body.values():
        body = {name: value for name, value in body.items() if value is not None}
    merges = body.get("merge_fields")
    if isinstance(merges, dict) and None in merges.values():
        body = {**body, "merge_fields": {tag: value for tag, value in merges.items() if value is not None}}
    return body


def _moment(body: Mapping[str, Any], name: str) -> int | None:
    text = body.get(name)
    if text is None or text == "":
        return None if text is None else 0
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise not_validated((name, "Please enter a valid date")) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def read_wish(body: Any, required: tuple[str, ...] = (), *, are_nulls_absent: bool = False) -> Wish:
    """The wish, or a refusal naming each wrong field. The batch takes null for "not mentioned", single calls do not."""
    if not isinstance(body, dict):
        raise not_validated(("", f"Schema describes object, {_type_name(body)} found instead"))
    if are_nulls_absent:
        body = _without_nulls(body)
    missing = [name for name in required if name not in body]
    if missing:
        raise not_validated(("", "Required fields were not provided: " + ", ".join(missing)))
    errors = _shape_errors(body)
    if errors:
        raise not_validated(*errors)
    location = body.get("location") or {}
    email = body.get("email_address")
    return Wish(
        email=email.strip() if email is not None else None,
        status=body.get("status"),
        status_if_new=body.get("status_if_new"),
        merge_fields=body.get("merge_fields"),
        tags=tuple(str(tag) for tag in body.get("tags") or ()),
        email_type=body.get("email_type"),
        language=body.get("language"),
        is_vip=body.get("vip"),
        latitude=location.get("latitude"),
        longitude=location.get("longitude"),
        ip_signup=body.get("ip_signup"),
        signup_at=_moment(body, "timestamp_signup"),
        ip_opt=body.get("ip_opt"),
        opt_at=_moment(body, "timestamp_opt"),
    )


def check_address(email: str) -> None:
    """Refuse what is no address, and what Mailchimp calls fake (example.com and its kin: recorded, 2021)."""
    local, _, domain = email.rpartition("@")
    if (
        len(email) > MAX_EMAIL_LENGTH
        or not EMAIL.match(email)
        or ".." in email
        or email[0] == "."
        or local[-1:] == "."
    ):
        raise bad_address()
    if domain.lower() in FAKE_DOMAINS or local.lower() in FAKE_LOCAL_PARTS:
        raise fake(email)


def decide_status(email: str, status: str, cause: str, wanted: str | None, by: str) -> tuple[str, str]:
    """The status and cause after a write by the API or by staff, or a compliance refusal.

    A contact's own unsubscribing, a complaint and a bounce keep their cause through pending, archived and
    transactional, so that no detour ends at subscribed; only the contact's own act clears them.
    """
    if wanted is None or wanted == status:
        return status, cause
    if wanted == "subscribed":
        if cause in COMPLIANCE_CAUSES or status == "cleaned":
            raise compliance(email)
        return wanted, ""
    if wanted == "unsubscribed":
        return wanted, cause or by
    if wanted == "cleaned":
        return wanted, "bounce"
    return wanted, cause


def creation_status(wish: Wish) -> str:
    """The status of a member about to be created by PUT: `status` outranks `status_if_new`, one must be there."""
    status = wish.status or wish.status_if_new
    if status is None:
        raise not_validated(("", "Required fields were not provided: status_if_new"))
    return status


def is_subscribing(wish: Wish, status_before: str | None) -> bool:
    """Whether the write asks to bring somebody in who is not in."""
    asked = wish.status or (wish.status_if_new if status_before is None else None)
    return asked == "subscribed" and status_before != "subscribed"


def outcome_of(problem: Refusal) -> str:
    return problem.title
