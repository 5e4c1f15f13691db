"""Forms of identity values for matching. Pure; what a person gave is kept elsewhere, as given."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import idna

ADDRESS_KINDS = frozenset(
    {"email", "phone"}
)  # may be shared by several people; every other kind is one person's id

# Addresses of a desk or a machine, never of one person. Short on purpose: a name such as "may@" must not be caught.
ROLE_LOCAL_PARTS = frozenset(
    {
        "abuse", "accounts", "admin", "administrator", "alumni", "billing", "bounce", "bounces", "contact", "donotreply",
        "enquiries", "enquiry", "feedback", "hello", "help", "helpdesk", "hostmaster", "hr", "info", "information",
        "inquiries", "it", "jobs", "kontakt", "mail", "mailer-daemon", "marketing", "media", "members", "membership",
        "newsletter", "no-reply", "no_reply", "noreply", "office", "postmaster", "press", "privacy", "reception", "root",
        "sales", "secretary", "security", "service", "subscribe", "support", "team", "test", "testing", "unsubscribe",
        "users", "webmaster", "welcome",
    }
)  # fmt: skip
# What forms and platforms send where there is no value. The first four are Segment's blocked values
# (https://segment.com/docs/unify/identity-resolution/identity-resolution-settings/, seen 2026-11-21).
SENTINEL_WORDS = frozenset(
    {
        "-1", "null", "anonymous", "", "n/a", "na", "n.a.", "nil", "nan", "none", "undefined", "unknown", "noemail",
        "no-email", "no_email", "noemailprovided", "nomail", "notprovided", "false", "true", "0",
    }
)  # fmt: skip
ONLY_ZEROS = re.compile(r"[0-]*")
INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))
PHONE_DECORATION = re.compile(r"[\s().\-/\u2010-\u2015\u202a-\u202e]+")
LONGEST_PHONE, SHORTEST_PHONE = 15, 7  # digits; E.164 allows 15, no country issues fewer than 7 with its code
LONGEST_EMAIL = 254
GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})  # dots and +suffixes mean nothing there


@dataclass(frozen=True, slots=True)
class MatchValue:
    """A matching form. `is_matching` False with the reason: "role", "sentinel", "unreadable" or "no_country"."""

    value: str
    is_matching: bool = True
    reason: str = ""

    @property
    def is_stored(self) -> bool:
        """A placeholder says nothing about anybody, so it is not kept as an identity."""
        return self.reason != "sentinel"


@lru_cache(maxsize=65_536)
def match_value(kind: str, value: str, scope: str = "") -> MatchValue:
    """The matching form of an identity value; `scope` matters only to the caller, which compares within it."""
    del scope
    text = value.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(INVISIBLE).strip()
    if text.lower() in SENTINEL_WORDS or ONLY_ZEROS.fullmatch(text):
        return MatchValue(text.lower(), is_matching=False, reason="sentinel")
    return NORMALISERS.get(kind, MatchValue)(text)


def _email(text: str) -> MatchValue:
    local, at, domain = text.lower().rpartition("@")
    host = _ascii_domain(domain)
    if not at or not local or not host or len(text) > LONGEST_EMAIL or "@" in local or _has_gaps(local):
        return MatchValue(text.lower(), is_matching=False, reason="unreadable")
    local = unicodedata.normalize("NFC", local)
    if host in GMAIL_DOMAINS:
        local, host = local.partition("+")[0].replace(".", ""), "gmail.com"
    address = f"{local}@{host}"
    if local in SENTINEL_WORDS:
        return MatchValue(address, is_matching=False, reason="sentinel")
    if local.partition("+")[0] in ROLE_LOCAL_PARTS:
        return MatchValue(address, is_matching=False, reason="role")
    return MatchValue(address)


def _has_gaps(local: str) -> bool:
    return not local.isprintable() or " " in local


@lru_cache(maxsize=4_096)
def _ascii_domain(domain: str) -> str:
    """The domain as DNS knows it; "" when it is none."""
    domain = domain.rstrip(".")
    if domain.isascii():
        return domain if re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", domain) else ""
    try:
        return idna.encode(domain, uts46=True).decode("ascii").rstrip(".")
    except idna.IDNAError:
        return ""


def _phone(text: str) -> MatchValue:
    plain = PHONE_DECORATION.sub("", text)
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    digits = plain.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return MatchValue(text.lower(), is_matching=False, reason="unreadable")
    if len(set(digits)) == 1:
        return MatchValue(plain, is_matching=False, reason="sentinel")
    if not plain.startswith("+"):
        return MatchValue(digits, is_matching=False, reason="no_country")
    if not SHORTEST_PHONE <= len(digits) <= LONGEST_PHONE:
        return MatchValue(plain, is_matching=False, reason="unreadable")
    return MatchValue(plain)


NORMALISERS: dict[str, Callable[[str], MatchValue]] = {"email": _email, "phone": _phone}
