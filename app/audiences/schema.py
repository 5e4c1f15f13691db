"""The live schema of an audience, read again: what vanished and what came back, with one alert for each; new merge fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.call_errors import is_unreached, tell_failed
from app.audiences.connect import Connections
from app.audiences.gate import get_destination_of
from app.audiences.live import LiveAudience, read_live_audience
from app.audiences.load import field_spec, get_audience
from app.audiences.models import Audience
from app.audiences.outbox import queue_audience
from app.audiences.outward import TAG
from app.audiences.pauses import raise_alert
from app.audiences.views import Trouble
from app.core.audit import audit
from app.core.clock import database_now
from app.core.db import transaction
from app.core.errors import InvalidError
from integrations.mailchimp.problems import INTEREST_GONE, MailchimpProblem
from mappings.language.fields import default_fields

# The type of a merge field that holds a contact field of this type; text for all others.
GUESSES: Mapping[str, str] = {
    "phone": "phone",
    "url": "url",
    "integer": "number",
    "number": "number",
    "year": "number",
    "date": "date",
    "birthday": "birthday",
}
# Mailchimp drops every member's value with the field, so what was written is no longer there.
FORGET = text("""
    UPDATE members SET pushed_hash = CASE WHEN pushed_hash IN ('', 'left') THEN pushed_hash ELSE 'stale' END,
           merge_fields = merge_fields - CAST(:tags AS text[]),
           theirs_changed = theirs_changed - CAST(:tags AS text[])
    WHERE audience_id = :audience_id AND merge_fields ?| CAST(:tags AS text[])
""")
# So it is with an interest. Members that the mirror knows without it are as they were.
FORGET_INTERESTS = text("""
    UPDATE members SET pushed_hash = CASE WHEN pushed_hash IN ('', 'left') THEN pushed_hash ELSE 'stale' END,
           interests = interests - CAST(:ids AS text[])
    WHERE audience_id = :audience_id AND interests ?| CAST(:ids AS text[])
""")
# What was refused for an interest that is known to be gone by now waits no longer.
WAKE_REFUSED = text("""
    UPDATE changes SET next_attempt_at = now()
    WHERE audience_id = :audience_id AND parked_at IS NULL AND next_attempt_at > now() AND error ->> 'code' = :code
      AND (leased_until IS NULL OR leased_until <= now())
""")


@dataclass(frozen=True, slots=True)
class SchemaNews:
    """Mapped merge fields and managed interests that are gone since the last reading, and those that are back.

    `remade`: deleted and made again between the two readings, so that nobody has a value. `changed`: takes other values.
    """

    gone: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    remade: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone_interests: tuple[str, ...] = ()
    back_interests: tuple[str, ...] = ()

    @property
    def is_for_everybody(self) -> bool:
        """Whether there may be something to write now that was left out, or is lost there."""
        return bool(self.back or self.remade or self.changed or self.back_interests)


def refresh_schema(sessions: sessionmaker[Session], connections: Connections, audience_id: int) -> SchemaNews:
    """Read the live audience and keep it. MailchimpProblem where it cannot be read."""
    with transaction(sessions) as session:
        destination = get_destination_of(session, audience_id)
        list_id = session.get_one(Audience, audience_id).list_id
    live = read_live_audience(connections.gateway(destination), list_id)
    with transaction(sessions) as session:
        return keep_schema(session, audience_id, live)


def keep_schema(session: Session, audience_id: int, live: LiveAudience) -> SchemaNews:
    """Keep what was read. A mapped field or a managed interest that is gone is left out of pushes, with one alert.

    All else goes on. Once it is back everybody is planned anew, which fills it; so they are where it takes other values.
    """
    audience = session.get_one(Audience, audience_id, with_for_update=True)
    before = audience.remote_schema or {}
    news = compare_schema(audience, live)
    there = {one.tag for one in live.merge_fields}
    audience.remote_schema = {
        **before,
        **live.as_schema(),
        "gone": sorted(_mapped(audience) - there),
        "gone_interests": _gone_interests(audience, live),
        "read_at": database_now(session).isoformat(),
    }
    if lost := news.gone + news.remade:
        session.execute(FORGET, {"audience_id": audience_id, "tags": list(lost)})
    if news.gone:
        raise_alert(session, audience_id, _gone_trouble(news.gone))
    if news.gone_interests:
        session.execute(FORGET_INTERESTS, {"audience_id": audience_id, "ids": list(news.gone_interests)})
        raise_alert(session, audience_id, interest_trouble(audience.remote_schema["gone_interests"]))
        session.execute(WAKE_REFUSED, {"audience_id": audience_id, "code": INTEREST_GONE.kind})
    if news.is_for_everybody:
        session.flush()
        queue_audience(session, audience_id)
    return news


def compare_schema(audience: Audience, live: LiveAudience) -> SchemaNews:
    """What is gone, back or another since the last reading. Pure."""
    remote = audience.remote_schema or {}
    mapped, there = _mapped(audience), {one.tag for one in live.merge_fields}
    remade, changed = _compare_fields(remote.get("merge_fields") or {}, live.as_schema()["merge_fields"])
    before = set(remote.get("gone") or ())
    before_interests = set(remote.get("gone_interests") or ())
    gone_interests = set(_gone_interests(audience, live))
    return SchemaNews(
        tuple(sorted(mapped - there - before)),
        tuple(sorted(before & there & mapped)),
        tuple(sorted(remade & mapped - before)),
        tuple(sorted((changed - remade) & mapped - before)),
        tuple(sorted(gone_interests - before_interests)),
        tuple(sorted((before_interests - gone_interests) & set(audience.interests))),
    )


def _compare_fields(was: Mapping[str, Any], there: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The tags of fields that have another id than before, and of those that take other values.

    Not all that was kept has ids: there nothing is said of them.
    """
    both = was.keys() & there.keys()
    remade = {
        tag for tag in both if was[tag].get("merge_id", there[tag]["merge_id"]) != there[tag]["merge_id"]
    }
    return remade, {tag for tag in both if field_spec(was[tag]) != field_spec(there[tag])}


def _mapped(audience: Audience) -> set[str]:
    return {*audience.merge_fields, audience.contact_id_field} - {"", "EMAIL"}


def _gone_interests(audience: Audience, live: LiveAudience) -> dict[str, str]:
    """The managed interests that are not there, each with its group and name as far as they are known. Pure."""
    remote = audience.remote_schema or {}
    told: dict[str, str] = remote.get("gone_interests") or {}
    if live.interests is None:
        return told
    there = {one.interest_id for group in live.interests for one in group.interests}
    known = remote.get("interests") or {}
    names = {one: f"{what.get('group', '')}: {what.get('name', '')}" for one, what in known.items()}
    return {one: names.get(one) or told.get(one, "") for one in sorted(set(audience.interests) - there)}


def _gone_trouble(tags: tuple[str, ...]) -> Trouble:
    return Trouble(
        "merge_field_gone",
        f"The audience no longer has {', '.join(tags)}; everything else goes on without.",
        "Make the merge field again (`muster audiences add-field`), or take it out of the mapping.",
    )


def interest_trouble(gone: Mapping[str, str]) -> Trouble:
    """What an admin is told of managed interests that are gone, by id and the name that each had. Pure."""
    named = ", ".join(f"{one} ({name})" if name else one for one, name in sorted(gone.items()))
    return Trouble(
        INTEREST_GONE.kind,
        f"The audience no longer has the interest {named}; everything else goes on without.",
        "Make it again in Mailchimp, where it gets a new id, and set that one; or take this one out (`muster audiences set SLUG interests.ID=`).",
    )


def lacks_mapped(merge_fields: Mapping[str, Any], mapped: frozenset[str], gone: tuple[str, ...]) -> bool:
    """Whether a member's answer, which names every merge field, does not fit what was last read. Pure."""
    return any((tag in merge_fields) == (tag in gone) for tag in mapped if tag != "EMAIL")


def create_merge_field(
    sessions: sessionmaker[Session],
    connections: Connections,
    audience_id: int,
    tag: str,
    *,
    name: str = "",
    type_: str = "",
    actor: str = "command line",
) -> SchemaNews:
    """Make a merge field at Mailchimp; its type and name are guessed from the contact field that is mapped to it.

    InvalidError for a tag that cannot be, that is there already, or that Mailchimp refuses; BusyError where it cannot
    be asked.
    """
    if not TAG.fullmatch(tag):
        raise InvalidError(f"{tag[:40]!r} is no merge tag.", "1 to 10 capital letters, digits and _.")
    with transaction(sessions) as session:
        audience, destination = get_audience(session, audience_id), get_destination_of(session, audience_id)
    if tag in audience.schema and tag not in audience.gone_tags:
        raise InvalidError(f"The audience has a merge field {tag} already.", "Map a contact field to it.")
    meant_name, meant_type = guess_field(audience.merge_fields.get(tag), tag)
    if tag == audience.contact_id_field:
        meant_name, meant_type = "Muster contact id", "number"
    gateway = connections.gateway(destination)
    try:
        gateway.add_merge_field(audience.list_id, tag, name or meant_name, type_ or meant_type)
    except MailchimpProblem as problem:
        asked = f"whether {tag} was made, `muster audiences refresh {audience.slug}` tells"
        left = f"{tag} was not made" if is_unreached(problem) else asked
        raise tell_failed(problem, f"Mailchimp did not make the merge field {tag}", left) from problem
    with transaction(sessions) as session:
        made = {"tag": tag, "type": type_ or meant_type}
        audit(session, actor, "audience.merge_field", f"audience:{audience.slug}", None, made)
    return refresh_schema(sessions, connections, audience_id)


def guess_field(mapped: Any, tag: str) -> tuple[str, str]:
    """Name and type for a merge field, from what is mapped to it. Pure."""
    source = mapped.get("from") if isinstance(mapped, Mapping) else mapped
    has_steps = isinstance(mapped, Mapping) and bool({"do", "default"} & set(mapped))
    if source == "address" or (isinstance(source, Mapping) and "addr1" in source):
        return "Address", "address"
    entry = default_fields().find(source) if isinstance(source, str) else None
    if entry is None:
        return tag.capitalize(), "text"
    return entry.label, "text" if has_steps else GUESSES.get(entry.type, "text")
