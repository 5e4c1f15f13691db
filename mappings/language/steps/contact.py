"""Steps for what reaches a person: e-mail, telephone, web address, country, language."""

import re
import unicodedata
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from mappings.language.problems import Refused
from mappings.language.steps.arguments import keys_of, refuse_argument
from mappings.language.steps.countries import ALPHA3, COUNTRIES, COUNTRY_WORDS
from mappings.language.steps.declare import Example, Step, step
from mappings.language.steps.languages import LANGUAGE_CODES, LANGUAGE_WORDS

CACHED_COUNT = 16_384
MAX_EMAIL = 254  # RFC 5321, and Mailchimp's own limit
MAX_WRITTEN = 400  # with white space and mailto: around it
MAX_PHONE = 60
MAX_URL = 2_048
MAX_COUNTRY = 80
MAX_COUNTRY_CALLING_CODE = 3  # digits

# Addresses about which the validator has nothing to say: of ASCII letters, digits, dots and the commonest signs, within
# the lengths of RFC 5321. Most are such, and reading them so takes a twentieth of the time.
_PLAIN_EMAIL = re.compile(
    r"(?=[^@]{1,64}@)([A-Za-z0-9_+-]++(?:\.[A-Za-z0-9_+-]++)*+)"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63})"
)
_SPECIAL_ENDINGS = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES)


def _find_plain_email(value: str) -> str | None:
    """The address where it is a plain one, exactly as the validator would give it; None = ask the validator."""
    found = _PLAIN_EMAIL.fullmatch(value) if len(value) <= MAX_EMAIL else None
    if found is None:
        return None
    local, domain = found[1], found[2].lower()
    # Of names that everybody must read alike ("INFO"), without a dot, the validator makes small letters (RFC 2142);
    # two hyphens may be Punycode.
    if (
        "--" in domain
        or f".{domain}".endswith(_SPECIAL_ENDINGS)
        or not ("." in local or local == local.lower())
    ):
        return None
    return f"{local}@{domain}"


@lru_cache(maxsize=CACHED_COUNT)
def _read_email(value: str) -> str | Refused:
    """The address, or why it is none; refusals are kept too, so that a repeated bad one costs nothing."""
    return _find_plain_email(value) or _validate_email(value)


def _validate_email(value: str) -> str | Refused:
    text = value.strip(" \t\u00a0\ufeff\u200b\u2060")
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0]
    if len(text) > MAX_EMAIL:
        return Refused("not_an_email", f"An e-mail address has at most {MAX_EMAIL} characters.")
    if any(unicodedata.category(character) == "Cc" for character in text):
        return Refused("not_an_email", "The address holds a line break or control character.")
    try:
        # `test_environment` lets .test through (RFC 6761); .example passes anyway; nothing asks the DNS.
        found = validate_email(
            text, check_deliverability=False, test_environment=True, allow_quoted_local=True, strict=True
        )
    except (EmailNotValidError, UnicodeError, ValueError) as error:
        reason = str(error).splitlines()[0][:160] if str(error) else "It cannot be read."
        return Refused(
            "not_an_email", f"This is not an e-mail address. {reason}", "Write one address: name@example.org."
        )
    domain = found.ascii_domain if text.rpartition("@")[2].isascii() else found.domain
    if "." not in domain:
        return Refused(
            "not_an_email", "The part after the @ has no dot.", "Write one address: name@example.org."
        )
    return f"{found.local_part}@{domain}"


@step(
    "contact", "text", "email",
    Example("Ana.Lopez@Example.COM", "Ana.Lopez@example.com"),
    Example(" mailto:ana@mail.test ", "ana@mail.test"),
    Example("ana@example.org;bob@example.org", refused="not_an_email"),
    Example("ana@localhost", refused="not_an_email"),
    Example("<test lead: dummy data for email>", refused="not_an_email"),
)  # fmt: skip
def email(value: str) -> str:
    """Checks an e-mail address; the person's spelling stays, only the domain is made small."""
    if len(value) > MAX_WRITTEN:
        raise Refused("not_an_email", f"An e-mail address has at most {MAX_EMAIL} characters.")
    found = _read_email(value)
    if isinstance(found, Refused):
        raise Refused(found.code, found.reason, found.hint)
    return found


_PLAIN_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


def _find_plain_phone(text: str) -> phonenumbers.PhoneNumber | None:
    """A number written as E.164 without a trunk prefix, exactly as the parser would read it; None = ask the parser."""
    if not _PLAIN_PHONE.fullmatch(text):
        return None
    for end in range(2, 2 + MAX_COUNTRY_CALLING_CODE):
        code, rest = int(text[1:end]), text[end:]
        if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            trunk = _trunk_prefix(code)
            if rest.startswith("0") or (trunk and trunk.match(rest)):
                return None
            return phonenumbers.PhoneNumber(country_code=code, national_number=int(rest))
    return None


@lru_cache(maxsize=512)
def _trunk_prefix(code: int) -> re.Pattern[str] | None:
    """What a country's numbers may begin with although it is no part of them."""
    region = phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    prefix = metadata.national_prefix_for_parsing if metadata else None
    return re.compile(prefix) if prefix else None


@lru_cache(maxsize=CACHED_COUNT)
def _read_phone(text: str, region: str | None, found: str | None) -> str | Refused:
    try:
        number = _find_plain_phone(text) or phonenumbers.parse(text.strip(), _found_region(found) or region)
    except phonenumbers.NumberParseException as error:
        needs_region = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        hint = "Name the country: phone: GB, or phone: {region_from: country}." if needs_region else ""
        return Refused("not_a_phone", "This is not a telephone number, or its country is not known.", hint)
    if not phonenumbers.is_valid_number(number):
        return Refused(
            "not_a_phone", "No country gives out such a telephone number.", "Is the country right?"
        )
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _region(argument: Any) -> str | None:
    keys = (
        {"region": argument}
        if isinstance(argument, str)
        else keys_of(argument or {}, {"region": str, "default": str, "region_from": str})
    )
    region = keys.get("region") or keys.get("default")
    if region is not None and region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise refuse_argument("This region is not known.", "Use the two letters of a country, such as GB.")
    return region.upper() if region else None


@step(
    "contact", "text", "phone",
    Example("(020) 7946 0958", "+442079460958", "GB"),
    Example("+44 20 7946 0958", "+442079460958"),
    Example("(212) 555-0123", "+12125550123", {"region_from": "country", "default": "US"}),
    Example("020 7946 0958", refused="not_a_phone"),
    Example("call me", refused="not_a_phone", argument="GB"),
    prepare=_region, reads="region_from", argument="GB, or {region_from: path, default: GB}; nothing = only +numbers",
)  # fmt: skip
def phone(value: str, region: str | None = None, found: Any = None) -> str:
    """Reads a telephone number and gives it as E.164 (+442079460958); an extension is dropped."""
    if len(value) > MAX_PHONE:
        raise Refused("not_a_phone", f"A telephone number has at most {MAX_PHONE} characters.")
    number = _read_phone(
        value, region, found if found.__class__ is str and len(found) <= MAX_COUNTRY else None
    )
    if isinstance(number, Refused):
        raise Refused(number.code, number.reason, number.hint)
    return number


def _found_region(found: str | None) -> str | None:
    code = _country_code(found) if found else None
    return code if code in phonenumbers.SUPPORTED_REGIONS else None


@lru_cache(maxsize=2_048)
def _country_code(text: str) -> str | None:
    word = " ".join(text.replace(".", "").replace("-", " ").casefold().split())
    if len(word) == 2 and word.upper() in COUNTRIES:  # noqa: PLR2004 - ISO 3166 alpha-2
        return word.upper()
    return ALPHA3.get(word.upper()) or COUNTRY_WORDS.get(word)


@step(
    "contact", "text", "country",
    Example("United Kingdom", "GB"), Example("u.s.a.", "US"), Example("DEU", "DE"), Example("at", "AT"),
    Example("Atlantis", refused="not_a_country"),
)  # fmt: skip
def country(value: str) -> str:
    """Reads a country's name or code and gives its two letters (ISO 3166)."""
    code = _country_code(value) if len(value) <= MAX_COUNTRY else None
    if code is None:
        raise Refused(
            "not_a_country", "This country is not known.", "Use its English name or its two letters."
        )
    return code


@step(
    "contact", "text", "language",
    Example("en-GB", "en"), Example("English", "en"), Example("DE", "de"), Example("Klingon", refused="not_a_language"),
)  # fmt: skip
def language(value: str) -> str:
    """Reads a language's name or code and gives its two letters (ISO 639)."""
    word = value.strip().casefold()
    code = word.replace("_", "-").partition("-")[0]
    found = code if code in LANGUAGE_CODES else LANGUAGE_WORDS.get(word)
    if found is None:
        raise Refused(
            "not_a_language", "This language is not known.", "Use its English name or its two letters."
        )
    return found


@step(
    "contact", "text", "url",
    Example("www.example.org/a b", "https://www.example.org/a%20b"),
    Example("HTTP://Example.org", "http://example.org"),
    Example("javascript:alert(1)", refused="not_a_url"),
    Example("https://user:pass@example.org", refused="not_a_url"),
)  # fmt: skip
def url(value: str) -> str:
    """Checks a web address; only http and https, https where none is written."""
    text = value.strip()
    text = text if "://" in text[:12] or text[:11].lower() == "javascript:" else f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    is_safe = parts.scheme in ("http", "https") and "@" not in parts.netloc and len(text) <= MAX_URL
    if not is_safe or "." not in host or any(not c.isprintable() or c in '<>"\\ ' for c in host):
        raise Refused("not_a_url", "This is not a web address.", "Write it as https://example.org/page.")
    place = parts._replace(netloc=host if port is None else f"{host}:{port}").geturl()
    return "".join("%20" if c == " " else c for c in place if c.isprintable())


STEPS: tuple[Step, ...] = (email, phone, country, language, url)
