"""What a write asks for: a body checked for shape, and the decision which status comes of it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import float_info, intern
from typing import Any

from integrations.mailchimp.simulator.refusals import (
    NO_SCHEMA_FITS,
    bad_address,
    compliance,
    fake,
    not_accepted,
    not_validated,
)

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
COMPLIANCE_CAUSES = frozenset({"contact", "abuse", "bounce"})
EMAIL = re.compile(
    r"^(?!\.)(?!.*\.\.)(?!.*\.@)[^@\s\"(),:;<>\[\]\\]+@"
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}$"
)
FAKE_DOMAINS = frozenset({"example.com", "example.org", "example.net"})
FAKE_LOCAL_PARTS = frozenset({"test", "fake"})
MAX_EMAIL_LENGTH = 254
MAX_NUMBER = float_info.max
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
PLAIN = frozenset({"vip", "ip_signup", "ip_opt"})  # taken as they are
NOT_IN_BATCH = frozenset({"marketing_permissions"})
# The definition lists the statuses; of the types of mail its prose names the two.
ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "status": STATUSES,
    "status_if_new": STATUSES,
    "email_type": ("html", "text"),
}
CHECKED = frozenset({"merge_fields", "tags", "interests", "location", *ACCEPTED})
PLACE = {"latitude": float, "longitude": float}
PERMISSION = {"marketing_permission_id": str, "enabled": bool}
VALUE_TYPES = frozenset({str, int, float, dict})  # what a merge field's value may be, says the definition
NULLABLE_VALUE_TYPES = VALUE_TYPES | {type(None)}
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


def mistyped(body: Mapping[str, Any], types: Mapping[str, type], path: str = "") -> list[tuple[str, str]]:
    """What has another JSON type than the definition gives it, an error each; what is not mentioned is fine.

    A path names parts by dots and elements by "item:": https://github.com/drewm/mailchimp-api/issues/142
    """
    return [
        (path + name, _mismatch(wanted, body[name]))
        for name, wanted in types.items()
        if name in body and not _is_of(wanted, body[name])
    ]


def mistyped_elements(name: str, told: list[Any], wanted: type) -> list[tuple[str, str]]:
    """The same of every element of an array."""
    return [
        (f"{name}.item:{place}", _mismatch(wanted, one))
        for place, one in enumerate(told)
        if type(one) is not wanted
    ]


def _is_of(wanted: type, value: Any) -> bool:
    if wanted is float:  # any number that can be written down again: 1e999 cannot
        return type(value) in {int, float} and -MAX_NUMBER <= value <= MAX_NUMBER
    return type(value) is wanted


def _mismatch(wanted: type, value: Any) -> str:
    return f"Schema describes {TYPE_NAMES[wanted]}, {type_name(value)} found instead"


def _moment(name: str, text: str) -> int:
    if text == "":
        return 0
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise not_validated((name, "Please enter a valid date")) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _permissions(told: list[Any]) -> dict[str, bool]:
    for place, one in enumerate(told):
        if not isinstance(one, dict) or "marketing_permission_id" not in one:
            message = "Required fields were not provided: marketing_permission_id"
            raise not_validated(("marketing_permissions", message))
        if odd := mistyped(one, PERMISSION, f"marketing_permissions.item:{place}."):
            raise not_validated(*odd)
    return {one["marketing_permission_id"]: one.get("enabled", False) for one in told}


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
        if type(value) is not shape[1]:
            errors.append((name, _mismatch(shape[1], value)))
        elif name in PLAIN:
            setattr(wish, shape[0], value)
        elif name in CHECKED and (wrong := _wrong(name, value, is_batch=is_batch)):
            errors += wrong
        else:
            _take(wish, name, shape[0], value)
    if errors:
        raise not_validated(*errors)
    return wish


def _wrong(name: str, value: Any, *, is_batch: bool) -> list[tuple[str, str]]:
    """What is wrong inside a value that is of the right type itself."""
    if name == "merge_fields":
        types = NULLABLE_VALUE_TYPES if is_batch else VALUE_TYPES
        return [
            (f"merge_fields.{tag}", NO_SCHEMA_FITS) for tag, one in value.items() if type(one) not in types
        ]
    if name == "tags":
        return mistyped_elements(name, value, str)
    if name == "interests":
        return [
            (f"interests.{one}", _mismatch(bool, is_on))
            for one, is_on in value.items()
            if type(is_on) is not bool
        ]
    if name == "location":
        return mistyped(value, PLACE, "location.")
    return [] if value in ACCEPTED[name] else [(name, not_accepted(ACCEPTED[name]))]


def _take(wish: Wish, name: str, attribute: str, value: Any) -> None:
    """Put one value into the wish, after all checks but those that come with reading it."""
    if name == "email_address":
        value = value.strip()
    elif name == "tags":
        value = tuple(value)
    elif name in ALIKE:
        value = intern(value)
    elif name == "location":
        wish.latitude, wish.longitude = value.get("latitude"), value.get("longitude")
        return
    elif attribute.endswith("_at"):
        value = _moment(name, value)
    elif name == "marketing_permissions":
        value = _permissions(value)
    setattr(wish, attribute, value)


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
