"""The people an arrival may be about: locks on identity values, and loading their holders."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contacts.match import Person
from app.contacts.names import Name, name_of
from app.contacts.protect import FAN_OUT_CAP, Key
from app.core.errors import ConflictError
from app.core.secretbox import SecretBox

REDIRECT_DEPTH = 50  # merges of merges; more means a cycle

LOCK = text("SELECT count(pg_advisory_xact_lock(h)) FROM unnest(CAST(:hashes AS bigint[])) h")
HOLDERS = text(
    """
    SELECT k.number, held.contact_id
    FROM ROWS FROM (jsonb_to_recordset(CAST(:keys AS jsonb)) AS (kind text, scope text, match_value text))
         WITH ORDINALITY AS k (kind, scope, match_value, number)
    CROSS JOIN LATERAL (
        SELECT i.contact_id FROM identities i
        WHERE i.kind = k.kind AND i.scope = k.scope AND i.match_value = k.match_value AND i.is_matching
        LIMIT :cap
    ) held
    """
)
PEOPLE = text(
    """
    SELECT c.id, c.state, c.merged_into_id,
           c.fields ->> 'first_name', c.fields ->> 'last_name', c.fields ->> 'full_name'
    FROM contacts c WHERE c.id = ANY(CAST(:ids AS bigint[]))
    """
)
MATCHING_KEYS = text(
    """
    SELECT contact_id, kind, scope, match_value FROM identities
    WHERE contact_id = ANY(CAST(:ids AS bigint[])) AND is_matching
    """
)
EARLIER = text(
    """
    SELECT p.event_id, p.ordinal, p.contact_id,
           NOT EXISTS (SELECT FROM contact_patches o WHERE o.contact_id = p.contact_id AND o.id <> p.id)
    FROM contact_patches p WHERE p.event_id = ANY(CAST(:event_ids AS bigint[]))
    """
)
DIFFERENT = text(
    """
    SELECT contact_a_id, contact_b_id FROM judgements
    WHERE verdict = 'different' AND contact_a_id = ANY(CAST(:ids AS bigint[])) AND contact_b_id = ANY(CAST(:ids AS bigint[]))
    """
)
HAS_SUPPRESSIONS = text("SELECT EXISTS (SELECT FROM suppressions)")
SUPPRESSED = text("SELECT value_hash FROM suppressions WHERE value_hash = ANY(CAST(:hashes AS bytea[]))")


def lock_keys(session: Session, keys: Iterable[Key]) -> None:
    """Hold these identity values until the transaction ends, so that no two workers make the same person.

    Everybody locks in the order of the hashes: no deadlock. Take them before any row lock.
    """
    hashes = sorted({_lock_number(key) for key in keys})
    if hashes:
        # As text: psycopg's own way of writing long lists of numbers is slow.
        session.execute(LOCK, {"hashes": f"{{{','.join(map(str, hashes))}}}"})


def _lock_number(key: Key) -> int:
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8, person=b"muster-identity").digest()
    return int.from_bytes(digest, signed=True)


def load_holders(session: Session, keys: Sequence[Key]) -> dict[Key, list[Person]]:
    """Who holds each matching value, merged contacts replaced by what they became, erased ones left out.

    A value at the fan-out cap is answered with no people: it is generic.
    """
    if not keys:
        return {}
    found: defaultdict[Key, list[int]] = defaultdict(list)
    asked = [{"kind": kind, "scope": scope, "match_value": value} for kind, scope, value in keys]
    for number, contact_id in session.execute(HOLDERS, {"keys": json.dumps(asked), "cap": FAN_OUT_CAP}).all():
        found[keys[number - 1]].append(contact_id)
    usable = {key: ids for key, ids in found.items() if len(ids) < FAN_OUT_CAP}
    people = load_people(session, {contact_id for ids in usable.values() for contact_id in ids})
    return {
        key: list(dict.fromkeys(people[contact_id] for contact_id in ids if contact_id in people))
        for key, ids in usable.items()
    }


def load_people(session: Session, contact_ids: Collection[int]) -> dict[int, Person]:
    """The living people behind these ids: contact id -> person, through every merge."""
    people: dict[int, Person] = {}
    redirects: dict[int, int] = {}
    wanted = set(contact_ids)
    for _ in range(REDIRECT_DEPTH):
        if not wanted:
            _load_keys(session, people)
            return {
                contact_id: people[end]
                for contact_id in contact_ids
                if (end := _follow(contact_id, redirects)) in people
            }
        for row in session.execute(PEOPLE, {"ids": sorted(wanted)}).all():
            contact_id, state, merged_into_id, first, last, full = row
            if state == "merged":
                redirects[contact_id] = merged_into_id
            elif state == "active":
                name = _name(first, last, full)
                people[contact_id] = Person(contact_id, is_stored=True, name=name)
        wanted = {end for end in redirects.values() if end not in people and end not in redirects} - wanted
    raise ConflictError(
        f"The merges of contact {min(wanted)} lead in a circle.", "Undo one of them: muster contacts unmerge."
    )


def _load_keys(session: Session, people: Mapping[int, Person]) -> None:
    if people:
        for contact_id, *columns in session.execute(MATCHING_KEYS, {"ids": sorted(people)}).all():
            people[contact_id].keys.add(Key(*columns))


def _follow(contact_id: int, redirects: Mapping[int, int]) -> int:
    while contact_id in redirects:
        contact_id = redirects[contact_id]
    return contact_id


def _name(first: str | None, last: str | None, full: str | None) -> Name:
    return name_of({"first_name": first, "last_name": last, "full_name": full})


def load_earlier(session: Session, event_ids: Sequence[int]) -> dict[tuple[int, int], tuple[int, bool]]:
    """Patches of a replay: (event id, ordinal) -> (contact id, whether that contact has no other patch)."""
    if not event_ids:
        return {}
    rows = session.execute(EARLIER, {"event_ids": list(event_ids)}).all()
    return {(event_id, ordinal): (contact_id, is_only) for event_id, ordinal, contact_id, is_only in rows}


def load_different(session: Session, contact_ids: Collection[int]) -> frozenset[frozenset[int]]:
    """The pairs among these contacts that an admin has judged to be two people."""
    if len(contact_ids) < 2:  # noqa: PLR2004 - a pair
        return frozenset()
    rows = session.execute(DIFFERENT, {"ids": sorted(contact_ids)})
    return frozenset(frozenset((a, b)) for a, b in rows)


def suppression_hash(box: SecretBox, key: Key, name: Name | None = None) -> bytes:
    """What is kept of an erased address. With a name where somebody else goes on using the address."""
    words = "" if name is None else " ".join((*name.first, *name.last))
    return box.keyed_hash("\0".join((*key, words)))


def find_suppressed(
    session: Session, stated: Sequence[tuple[Sequence[Key], Name]], box: SecretBox
) -> frozenset[int]:
    """The numbers (from 0) of those whose keys, or keys with their name, belong to an erased person."""
    if not session.scalar(HAS_SUPPRESSIONS):
        return frozenset()
    owners: defaultdict[bytes, set[int]] = defaultdict(set)
    for number, (keys, name) in enumerate(stated):
        for key in keys:
            owners[suppression_hash(box, key)].add(number)
            if name:
                owners[suppression_hash(box, key, name)].add(number)
    rows = session.execute(SUPPRESSED, {"hashes": list(owners)})
    return frozenset(number for (value_hash,) in rows for number in owners[bytes(value_hash)])
