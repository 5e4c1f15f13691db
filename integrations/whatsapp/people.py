"""Who a part of a delivery is about: a telephone number, an id that is good for one business, the name of the profile.

A WhatsApp id is a telephone number without its plus. Since 2026 people can hide it behind a user name; what stays is the
business-scoped user id (https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids,
seen 2026-11-22). So either may be missing.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import phonenumbers

from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

_NUMBER = re.compile(r"\+?([0-9]{5,15})", re.ASCII)
_LONGEST_NAME = 200


def digits_of(wa_id: Any) -> str:
    """A WhatsApp id without its plus; "" where it is no number."""
    found = _NUMBER.fullmatch(identifier(wa_id))
    return found[1] if found else ""


@lru_cache(maxsize=4_096)
def is_telephone_number(digits: str) -> bool:
    """Whether some country gives out this number. WhatsApp keeps older forms too (Brazil, Mexico), which nobody can call."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def person_of(
    value: Mapping[str, Any], given: Any, user_id: Any = None, parent_user_id: Any = None
) -> dict[str, Any]:
    """The person with this number or user id, with what the delivery's contacts say of the same person.

    A contact that stands beside it with another number is somebody else; one that stands alone beside what names nobody
    is who is meant. `wa_id` stands there only where the id is no
    telephone number.
    """
    number, user = identifier(given), identifier(user_id)
    contacts = objects_in(value.get("contacts"))
    is_named = bool(number or user)
    known = [each for each in contacts if _is_same(each, number, user)] if is_named else contacts
    contact = known[0] if known and (is_named or len(known) == 1) else {}
    profile = object_at(contact, "profile")
    wa_id = number or identifier(contact.get("wa_id"))
    digits = digits_of(wa_id)
    is_phone = bool(digits) and is_telephone_number(digits)
    return filled(
        {
            "phone": f"+{digits}" if is_phone else "",
            "wa_id": "" if is_phone else digits or wa_id,
            "user_id": user or identifier(contact.get("user_id")),
            "parent_user_id": identifier(parent_user_id) or identifier(contact.get("parent_user_id")),
            "name": text_of(profile.get("name"))[:_LONGEST_NAME],
            "username": text_of(profile.get("username"))[:_LONGEST_NAME],
        }
    )


def _is_same(contact: Mapping[str, Any], number: str, user: str) -> bool:
    if number and identifier(contact.get("wa_id")):
        return identifier(contact["wa_id"]).lstrip("+") == number.lstrip("+")
    return bool(user) and identifier(contact.get("user_id")) == user


def name_of(person: Mapping[str, Any]) -> str:
    """One name for a person inside ids and threads; the number first, for it is older."""
    return str(person.get("phone", "").lstrip("+") or person.get("wa_id") or person.get("user_id") or "")
