"""Preflight: what a push would leave out or Mailchimp would refuse, counted against the live schema before any call."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.formats import TAG_LENGTH, TEXT_BYTES, FieldSpec, is_long_tag, plain_text
from app.audiences.load import load_situations
from app.audiences.outward import ADDRESS_NAME, is_half_address
from app.audiences.schema import GUESSES
from app.audiences.views import AudienceView
from app.contacts.survivorship import is_blank
from mappings.language.fields import default_fields

PAGE_SIZE = 2000
SAMPLE_SIZE = 5
WILLING = text("""
    SELECT contact_id FROM consents WHERE channel = :channel AND purpose = :purpose AND status = 'given'
    AND contact_id > :after ORDER BY contact_id LIMIT :limit
""")
# Merge field types that take any text, so that nothing of a contact field's type is lost.
ANY_TEXT = frozenset({"text"})

# (code, sentence, hint); {tag} is the merge field, {more} what the row adds.
SENTENCES: Mapping[str, tuple[str, str]] = {
    "missing_field": ("Mailchimp has no merge field {tag}.", "Make it: `muster audiences add-field`."),
    "type_mismatch": (
        "{tag} is a {more} field at Mailchimp, which does not fit what is mapped to it.",
        "Map another contact field, or make another merge field; a type cannot be changed.",
    ),
    "required_unmapped": (
        "{tag} is required at Mailchimp, and nothing is mapped to it.",
        "Map a contact field to it, or make it optional in Mailchimp; Muster's writes pass without.",
    ),
    "required_blank": ("Contacts have no value for the required {tag}.", "Fill it in, or make it optional in Mailchimp."),
    "not_a_choice": ("Contacts have values that {tag} does not offer: {more}.", "Add the choices in Mailchimp, or correct the values."),
    "too_long": (f"Values for {{tag}} are longer than {TEXT_BYTES} bytes and would be cut.", "Shorten them."),
    "half_address": ("Addresses for {tag} are incomplete and would be left out.", "Mailchimp wants street, city, state and postal code."),
    "unfit": ("Values for {tag} do not fit its type ({more}) and would be left out.", "Correct the values in the contacts."),
    "missing_permission": ("Mailchimp has no marketing permission {tag}.", "Correct its id, or take it out of the audience's permissions."),
    "long_tag": (f"The tag {{tag}}... has more than {TAG_LENGTH} characters, which Mailchimp refuses.", "Take it out of the audience's tags; choose a shorter one."),
    "missing_interest": ("Mailchimp has no interest {tag} any more.", "Take it out of the audience's interests, or make it again."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PreflightRow:
    """One finding. `count` is people, 0 where it is about the audience itself; `contact_ids` a few of them."""

    code: str
    tag: str
    count: int
    sentence: str
    hint: str
    contact_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Preflight:
    """Everything found, and how many people were looked at."""

    rows: tuple[PreflightRow, ...]
    checked_count: int = 0


@dataclass(slots=True)
class _Finding:
    count: int = 0
    contact_ids: list[int] = field(default_factory=list)
    words: dict[str, None] = field(default_factory=dict)


def preflight(session: Session, audience: AudienceView) -> Preflight:
    """Check the mapping and every entitled contact against the schema as last read. No call is made."""
    rows = list(check_schema(audience))
    found: dict[tuple[str, str], _Finding] = {}
    checked = 0
    for page in _pages(session, audience):
        for contact_id, fields in page:
            checked += 1
            for code, tag, word in check_contact(fields, audience):
                _add(found.setdefault((code, tag), _Finding()), contact_id, word)
    rows += [_row(code, tag, one, audience) for (code, tag), one in sorted(found.items())]
    return Preflight(tuple(rows), checked)


def _add(finding: _Finding, contact_id: int, word: str) -> None:
    finding.count += 1
    if len(finding.contact_ids) < SAMPLE_SIZE:
        finding.contact_ids.append(contact_id)
    if word and len(finding.words) < SAMPLE_SIZE:
        finding.words[word[:40]] = None


def _pages(session: Session, audience: AudienceView) -> Iterator[list[tuple[int, Mapping[str, Any]]]]:
    """(contact, fields) of everybody who belongs in the audience, a page at a time."""
    asked = {"channel": audience.channel, "purpose": audience.purpose, "limit": PAGE_SIZE, "after": 0}
    while ids := list(session.scalars(WILLING, asked)):
        asked["after"] = ids[-1]
        contacts = [one.contact for one in load_situations(session, audience, ids).values()]
        yield [
            (one.contact_id, one.fields)
            for one in contacts
            if one.state == "active"
            and one.standing.is_admitted
            and one.email
            and audience.entry.holds(one.facts)
        ]


def check_schema(audience: AudienceView) -> Iterator[PreflightRow]:
    """What is wrong whoever the contacts are. Pure."""
    schema = audience.schema
    for tag in sorted(audience.mapped_tags):
        if schema and (tag not in schema or tag in audience.gone_tags):
            yield _row("missing_field", tag)
        elif tag in schema and _is_mismatch(tag, schema[tag], audience):
            yield _row("type_mismatch", tag, more=schema[tag].type)
    for tag, spec in sorted(schema.items()):
        if spec.is_required and tag not in audience.mapped_tags:
            yield _row("required_unmapped", tag)
    for tag in filter(is_long_tag, audience.managed_tags):
        yield _row("long_tag", tag.strip()[:40])
    for interest_id in audience.gone_interests:
        yield _row("missing_interest", interest_id)
    for permission_id in audience.gone_permissions:
        yield _row("missing_permission", permission_id)


def _is_mismatch(tag: str, spec: FieldSpec, audience: AudienceView) -> bool:
    """Whether the contact field's type, as it is, can hardly be what the merge field takes."""
    found = audience.outward.fields.get(tag)
    if found is None or not found.takes or spec.type in ANY_TEXT or spec.choices:
        return False
    if any(found.takes.values()) or ADDRESS_NAME in found.takes:
        return spec.type != "address"
    (name, *_) = found.takes
    entry = default_fields().find(name)
    kind = entry.type if entry else "text"
    fits = {GUESSES.get(kind, "text"), *({"birthday"} if kind in {"date", "datetime"} else ())}
    is_free = kind == "text"  # anything may stand there: each value is looked at
    return spec.type == "address" or (not is_free and spec.type not in fits)


def check_contact(fields: Mapping[str, Any], audience: AudienceView) -> Iterator[tuple[str, str, str]]:
    """(code, tag, word) for everything of one contact that would be cut or left out. Pure."""
    raw = audience.outward.raw_values(fields)
    unfit = set(audience.shape.merge_values(fields).unfit)
    for tag, spec in audience.schema.items():
        if tag in audience.gone_tags or tag not in audience.outward.fields:
            continue
        value = raw.get(tag)
        if is_blank(value):
            if spec.is_required:
                yield "required_blank", tag, ""
        elif tag in unfit:
            yield _unfit(tag, value, spec)
        elif spec.type == "text" and len((plain_text(value) or "").encode()) > TEXT_BYTES:
            yield "too_long", tag, ""


def _unfit(tag: str, value: Any, spec: FieldSpec) -> tuple[str, str, str]:
    if spec.choices:
        return "not_a_choice", tag, plain_text(value) or ""
    if spec.type == "address" and is_half_address(value):
        return "half_address", tag, ""
    return "unfit", tag, ""


def _row(
    code: str, tag: str, finding: _Finding | None = None, audience: AudienceView | None = None, more: str = ""
) -> PreflightRow:
    found = finding or _Finding()
    if audience is not None and tag in audience.schema:
        more = more or ", ".join(found.words) or audience.schema[tag].type
    sentence, hint = SENTENCES[code]
    return PreflightRow(
        code, tag, found.count, sentence.format(tag=tag, more=more), hint, tuple(found.contact_ids)
    )
