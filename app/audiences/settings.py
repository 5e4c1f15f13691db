"""An audience's settings: checked one by one, changed by admins, everybody planned anew where it matters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.audiences.entry import check_entry_rule, check_storable
from app.audiences.formats import TAG_LENGTH, is_long_tag
from app.audiences.models import Audience
from app.audiences.outbox import queue_audience
from app.audiences.outward import EMAIL_TAG, TAG, check_merge_fields
from app.audiences.permissions import forget_refusals
from app.core.audit import audit
from app.core.errors import InvalidError
from mappings.language.fields import default_fields

ON_LEAVE = ("unsubscribe", "archive", "delete", "keep")
ON_RETURN = ("pending_once", "form_only")
SHOWN_COUNT = 20  # interests of a hint
Schema = Mapping[str, Any]  # `audiences.remote_schema`


@dataclass(frozen=True, slots=True)
class There:
    """What settings are checked against: the schema as last read, of the audience that has this slug here."""

    schema: Schema
    slug: str


def check_settings(values: Mapping[str, Any], schema: Schema, slug: str = "SLUG") -> None:
    """InvalidError for the first value that cannot be, against the schema as last read; hints name the `slug`."""
    for name, value in values.items():
        CHECKS[name](value, There(schema, slug))
    tag = values.get("contact_id_field")
    if tag and tag in values.get("merge_fields", {}):
        raise InvalidError(
            f"{tag} is to hold both a contact field and Muster's contact id.", "Choose two merge fields."
        )


def _check_mapped(value: Mapping[str, Any], found: There) -> None:
    check_merge_fields(value)
    for tag in value:
        if tag != EMAIL_TAG:
            _check_there(tag, found)


def _check_there(tag: str, found: There) -> None:
    there = found.schema.get("merge_fields") or {}
    if tag not in there:
        raise InvalidError(
            f"The audience has no merge field {tag}.",
            f"It has: {', '.join(sorted(there))}. Make the field in Mailchimp or with `muster audiences add-field` first.",
        )


def _check_id_field(value: str, found: There) -> None:
    if not value:
        return
    if not TAG.fullmatch(value):
        raise InvalidError(f"{value[:40]!r} is no merge tag.", "1 to 10 capital letters, digits and _.")
    _check_there(value, found)
    kind = (found.schema.get("merge_fields") or {})[value].get("type")
    if kind not in {"text", "number"}:
        raise InvalidError(f"{value} is a {kind} field; a contact id needs text or number.")


def _check_choice(name: str, known: tuple[str, ...]) -> Callable[[str, There], None]:
    def check(value: str, _found: There) -> None:
        if value not in known:
            raise InvalidError(f"{name} {value!r} is not known.", f"Known: {', '.join(known)}.")

    return check


def _check_interests(value: Mapping[str, Any], found: There) -> None:
    there = found.schema.get("interests")
    for interest_id, rule in value.items():
        if there is not None and interest_id not in there:
            raise InvalidError(
                f"The audience has no interest {interest_id[:40]!r}.", _interests_hint(there, found.slug)
            )
        is_tag = isinstance(rule, Mapping) and set(rule) == {"tag"} and isinstance(rule["tag"], str)
        is_field = isinstance(rule, Mapping) and set(rule) == {"field", "is"}
        if not is_tag and not is_field:
            raise InvalidError(
                f"The rule of interest {interest_id[:40]!r} is not understood.",
                'Give {"tag": name}, or {"field": name, "is": value or [values]}.',
            )
        if is_field and default_fields().find(str(rule["field"])) is None:
            raise InvalidError(f"There is no contact field {str(rule['field'])[:40]!r}.")


def _interests_hint(there: Mapping[str, Any], slug: str) -> str:
    """Which interests there are, by id; and how one that was made since is read."""
    named = [f"{one} ({what.get('group', '')}: {what.get('name', '')})" for one, what in there.items()]
    more = [f"and {len(named) - SHOWN_COUNT} more"] if len(named) > SHOWN_COUNT else []
    has = ", ".join(sorted(named)[:SHOWN_COUNT] + more) or "none"
    return f"It has: {has}. `muster audiences refresh {slug}` reads those that were made since."


def _check_permissions(value: Mapping[str, Any], _found: There) -> None:
    if not all(isinstance(purpose, str) and purpose and purpose != "*" for purpose in value.values()):
        raise InvalidError("A marketing permission is given by consent to one named purpose.")


def _check_tags(value: Any, _found: There) -> None:
    folded = [str(tag).strip().casefold() for tag in value]
    if not all(folded) or len(folded) != len(set(folded)):
        raise InvalidError("Managed tags must have names that differ in more than their case.")
    if too_long := [str(tag).strip() for tag in value if is_long_tag(str(tag))]:
        raise InvalidError(
            f"The tag {too_long[0][:40]!r}... is too long.", f"Mailchimp takes {TAG_LENGTH} characters."
        )


CHECKS: Mapping[str, Callable[[Any, There], None]] = {
    "merge_fields": _check_mapped,
    "entry_rule": lambda value, _found: check_entry_rule(value),
    "tags": _check_tags,
    "interests": _check_interests,
    "marketing_permissions": _check_permissions,
    "contact_id_field": _check_id_field,
    "on_leave": _check_choice("on_leave", ON_LEAVE),
    "on_return": _check_choice("on_return", ON_RETURN),
}
PLAIN = ("label", "is_double_opt_in", "keeps_activity", "guard_share", "is_enabled")
# A change of these makes nobody's desired state another one.
UNPLANNED = frozenset({"label", "keeps_activity", "guard_share", "is_double_opt_in"})


def change_settings(
    session: Session, audience: Audience, values: Mapping[str, Any], actor: str
) -> dict[str, Any]:
    """Set what differs, audited; what was before. InvalidError. Everybody is planned anew where it may matter.

    Of an audience that is off once it is on again.
    """
    unknown = sorted(set(values) - {*CHECKS, *PLAIN})
    if unknown:
        raise InvalidError(
            f"An audience has no setting {', '.join(unknown)}.", f"It has: {', '.join((*CHECKS, *PLAIN))}."
        )
    values = {**values, "tags": [str(tag).strip() for tag in values["tags"]]} if "tags" in values else values
    changed = {name: value for name, value in values.items() if getattr(audience, name) != value}
    whole = {name: getattr(audience, name) for name in ("merge_fields", "contact_id_field")}
    if {"merge_fields", "contact_id_field"} & set(changed):
        changed = {**changed, **{name: changed.get(name, value) for name, value in whole.items()}}
    for name, value in changed.items():
        check_storable(name.replace("_", " "), value)
    checked = {name: value for name, value in changed.items() if name in CHECKS}
    check_settings(checked, audience.remote_schema or {}, audience.slug)
    before = {name: getattr(audience, name) for name in changed}
    if "marketing_permissions" in changed:  # one that is set anew is tried again
        kept = before["marketing_permissions"].items() & changed["marketing_permissions"].items()
        forget_refusals(audience, except_for={one for one, _ in kept})
    for name, value in changed.items():
        setattr(audience, name, value)
    if changed:
        audit(session, actor, "audience.change", f"audience:{audience.slug}", before, changed)
        session.flush()
    if set(changed) - UNPLANNED and audience.is_enabled:
        queue_audience(session, audience.id)
    return before
