"""What a write asks for: a body checked for shape, and the decision which status comes of it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import Any

from integrations.mailchimp.simulator.refusals import bad_address, compliance, fake, not_validated

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
COMPLIANCE_CAUSES = frozenset({"contact", "abuse", "bounce"})
EMAIL = re.compile(
    r"^(?!\.)(?!.*\.\.)(?!.*\.@)[^@\s\"(),:;<>\[\]\\]+@"
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}$"
)
FAKE_DOMAINS = frozenset({"example.com", "example.org", "example.net"})
FAKE_LOCAL_PARTS = frozenset({"test", "fake"})
MAX_EMAIL_LENGTH = 254
TYPE_NAMES: Mapping[type, str] = {
    str: "string", bool: "boolean", dict: "object", list: "array", int: "integer", float: "number",
}  # fmt: skip
# name in the body -> attribute of the wish, JSON type
SHAPE: Mapping[str, tuple[str, type]] = {
    "email_address": ("email", str),
    "email_type": ("email_type", str),
    "status": ("status", str),
    "status_if_new": ("status_if_new", str),
    "merge_fields": ("merge_fields", dict),
    "interests": ("interests", dict),
    "marketing_permissions": ("permissions", list),
    "language": ("language", str),
    "vip": ("is_vip", bool),
    "location": ("location", dict),
    "ip_signup": ("ip_signup", str),
    "timestamp_signup": ("signup_at", str),
    "ip_opt": ("ip_opt", str),
    "timestamp_opt": ("opt_at", str),
    "tags": ("tags", list),
}
PLAIN = frozenset({"interests", "vip", "ip_signup", "ip_opt"})  # taken as they are
NOT_IN_BATCH = frozenset({"marketing_permissions"})
ALIKE = frozenset({"status", "status_if_new", "email_type", "language"})  # few values, shared by all members


@dataclass(slots=True)
class Wish:
    """One member write after the check of its shape; None is "not mentioned"."""

    email: str | None = None
    status: str | None = None
    status_if_new: str | None = None
    merge_fields: Mapping[str, Any] | None = None
    tags: tuple[str, ...] = ()
    interests: Mapping[str, bool] | None = None
    permissions: Mapping[str, bool] | None = None
    email_type: str | None = None
    language: str | None = None
    is_vip: bool | None = None
    latitude: float | None = None
    longitude: float | None = None
    ip_signup: str | None = None
    signup_at: int | None = None
    ip_opt: str | None = None
    opt_at: int | None = None


def type_name(value: Any) -> str:
    return "NULL" if value is None else TYPE_NAMES.get(type(value), "string")


def _moment(name: str, text: str) -> int:
    if text == "":
        return 0
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise not_validated((name, "Please enter a valid date")) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _permissions(told: list[Any]) -> dict[str, bool]:
    for one in told:
        if not isinstance(one, dict) or "marketing_permission_id" not in one:
            message = "Required fields were not provided: marketing_permission_id"
            raise not_validated(("marketing_permissions", message))
    return {str(one["marketing_permission_id"]): bool(one.get("enabled")) for one in told}


def read_wish(body: Any, required: tuple[str, ...] = (), *, is_batch: bool = False) -> Wish:
    """The wish, or a refusal naming each wrong field. The batch takes null for "not mentioned", single calls do not."""
    if type(body) is not dict:
        raise not_validated(("", f"Schema describes object, {type_name(body)} found instead"))
    missing = [name for name in required if name not in body or (is_batch and body[name] is None)]
    if missing:
        raise not_validated(("", "Required fields were not provided: " + ", ".join(missing)))
    wish, errors = Wish(), list[tuple[str, str]]()
    for name, value in body.items():
        shape = SHAPE.get(name)
        if shape is None or (is_batch and (value is None or name in NOT_IN_BATCH)):
            continue
        if type(value) is shape[1]:
            if name in PLAIN:
                setattr(wish, shape[0], value)
                continue
            errors += _take(wish, name, shape[0], value, is_batch=is_batch)
        else:
            wanted = TYPE_NAMES[shape[1]]
            errors.append((name, f"Schema describes {wanted}, {type_name(value)} found instead"))
    if errors:
        raise not_validated(*errors)
    return wish


def _take(wish: Wish, name: str, attribute: str, value: Any, *, is_batch: bool) -> list[tuple[str, str]]:
    """Put one value of the right type into the wish; what is wrong with it otherwise."""
    if name == "merge_fields":
        nulls = [tag for tag, one in value.items() if one is None]
        if nulls and not is_batch:
            return [(f"merge_fields.{tag}", "Schema describes string, NULL found instead") for tag in nulls]
    elif name == "email_address":
        value = value.strip()
    elif name == "tags":
        value = tuple([str(tag) for tag in value])
    elif name in ALIKE:
        value = intern(value)
        if attribute.startswith("status") and value not in STATUSES:
            return [(name, "Value must be one of: " + ", ".join(STATUSES))]
    elif name == "location":
        wish.latitude, wish.longitude = value.get("latitude"), value.get("longitude")
        return []
    elif attribute.endswith("_at"):
        value = _moment(name, value)
    elif name == "marketing_permissions":
        value = _permissions(value)
    setattr(wish, attribute, value)
    return []


def check_address(email: str) -> None:
    """Refuse what is no address, and what Mailchimp calls fake (example.com and its kin: recorded, 2021)."""
    if len(email) > MAX_EMAIL_LENGTH or not EMAIL.match(email):
        raise bad_address()
    local, _, domain = email.lower().rpartition("@")
    if domain in FAKE_DOMAINS or local in FAKE_LOCAL_PARTS:
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
