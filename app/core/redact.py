"""What a log line must not say: addresses, phone numbers, keys. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

HIDDEN = "***"
DEEPEST = 6  # levels of nesting that are still looked into

# A key of a log line, in lower case with "_", whose value is never shown.
SECRET_NAMES = frozenset(
    {
        "authorization", "proxy_authorization", "cookie", "set_cookie", "password", "passwd", "secret", "secrets",
        "token", "access_token", "refresh_token", "verify_token", "api_key", "apikey", "app_secret", "client_secret",
        "secret_key", "signing_key", "private_key", "signature", "webhook_signature", "x_hub_signature",
        "x_hub_signature_256", "dsn", "database_url", "redis_url",
    }
)  # fmt: skip
# Values about a person that no pattern recognises.
PERSONAL_NAMES = frozenset(
    {
        "first_name", "last_name", "full_name", "display_name", "name_given", "address", "street", "postcode", "zip",
        "city", "birthday", "birth_date", "phone", "mobile", "phone_number", "body", "raw_body", "fields",
        "merge_fields", "email_address",
    }
)  # fmt: skip

Masking = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _mask_address(found: re.Match[str]) -> str:
    return f"{found[1]}***@{found[2]}***"


PATTERNS: tuple[Masking, ...] = (
    # SQLAlchemy and PostgreSQL quote the row in their messages.
    (re.compile(r"\[parameters: .*", re.DOTALL), "[parameters: ***]"),
    (re.compile(r"(DETAIL|CONTEXT):.*"), r"\1: ***"),
    # user:password@ of a URL goes altogether
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@]+@", re.IGNORECASE), r"\1"),
    # keys in query strings, and in "name=value" and "name: value" of messages
    (re.compile(r"([?&](?:key|code|sig|auth|k)=)[^\s&\"']+", re.IGNORECASE), r"\1***"),
    (
        re.compile(
            r"\b((?:(?:access|verify|refresh|hub\.verify)_?)?token|api_?key|secret|password|signature"
            r"|appsecret_proof)([\"']?\s*[=:]\s*[\"']?)(?![=\s])[^\s&,;\"')\]}]+",
            re.IGNORECASE,
        ),
        r"\1\2***",
    ),
    (re.compile(r"\b(Bearer|Basic|apikey)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), r"\1 ***"),
    # vendors' own key forms: Mailchimp, Standard Webhooks, Meta, and what Fernet makes
    (re.compile(r"\b[0-9a-f]{32}-[a-z]{2}\d{1,3}\b"), HIDDEN),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), HIDDEN),
    (re.compile(r"\bEAA[A-Za-z0-9]{16,}"), HIDDEN),
    (re.compile(r"\bgAAAAA[A-Za-z0-9_=-]{20,}"), HIDDEN),
    (re.compile(r"\bsha(?:1|256)=[0-9a-f]{40,64}\b"), HIDDEN),
    (re.compile(r"(/hooks/[^/\s?\"']+/)[^/\s?\"']+"), r"\1***"),  # the unguessable part of a hook's URL
    (re.compile(r"([^\s@<>()\[\]\"',;:=]?)[^\s@<>()\[\]\"',;:=]*(?:@|%40)([^\s@.<>\"'])[^\s@<>()\[\]\"',;:&]*"), _mask_address),
    # phone numbers: international; with the trunk zero; in the North American forms
    (re.compile(r"(?<![\w.\-])(?:\+|%2B|00)\s?\(?\d(?:[\s().\-/]{0,2}\d){6,14}\b"), HIDDEN),
    (re.compile(r"(?<![\w.:\-])\(?0\d{1,4}\)?(?:[\s\-/]\d{2,9}){1,3}(?![\w:\-])"), HIDDEN),
    (re.compile(r"(?<![\w.:\-])0\d{9,11}(?![\w:\-])"), HIDDEN),
    (re.compile(r"(?<![\w.:\-])(?:1[\s.\-])?\(?[2-9]\d{2}\)?[\s.\-]?\d{3}[\s.\-]?\d{4}(?![\w:\-])"), HIDDEN),
)  # fmt: skip


def masked(text: str) -> str:
    """The text without addresses (a***@e***), phone numbers and keys."""
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any, depth: int = 0) -> Any:
    """A log value of any shape, masked inside; nesting deeper than DEEPEST is hidden whole."""
    if isinstance(value, str):
        return masked(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth >= DEEPEST:
        return HIDDEN
    if isinstance(value, Mapping):
        return {masked(str(key)): redacted_field(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(inner, depth + 1) for inner in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    return masked(str(value))


def redacted_field(name: str, value: Any, depth: int = 0) -> Any:
    """A named value: hidden by its name, else masked by its content."""
    plain_name = name.lower().replace("-", "_")
    if plain_name in SECRET_NAMES or plain_name in PERSONAL_NAMES:
        return HIDDEN
    return redacted(value, depth)
