"""What admins do: merge, unmerge, erase, replay, publish a mapping again, send away and take back, choose a speaker."""

from contextlib import suppress

from sqlalchemy import text

from app.audiences.outbox import queue_changes
from app.contacts import merge as merging
from app.contacts.erase import erase_contact
from app.contacts.speak import choose_speaker
from app.core.errors import ConflictError
from app.inbox import replay as replaying
from app.sources.mappings import mapping_in_force, publish_mapping
from mappings.language.fields import default_fields
from tests.kit.town.steps import AWAY, Step
from tests.kit.town.town import Town

TAG = {
    "added": """
        WITH said AS (INSERT INTO contact_patches (contact_id, occurred_at, tags_added) VALUES (:id, now(), :tags))
        UPDATE contacts SET tags = tags || CAST(:tags AS text[]) WHERE id = :id""",
    "removed": """
        WITH said AS (INSERT INTO contact_patches (contact_id, occurred_at, tags_removed) VALUES (:id, now(), :tags))
        UPDATE contacts SET tags = ARRAY(SELECT t FROM unnest(tags) AS t WHERE t <> ALL(:tags)) WHERE id = :id""",
}


def merge(town: Town, step: Step) -> None:
    people = town.select("SELECT id FROM contacts WHERE state = 'active' ORDER BY id")
    if len(people) < 2:
        return
    winner = people[step.number % len(people)][0]
    loser = people[(step.number + 1 + step.person) % len(people)][0]
    if winner == loser:
        return
    with town.runtime.transaction() as session:
        merged = merging.merge(session, winner, loser, "same", "test", dictionary=default_fields())
        queue_changes(session, merged.changed_contact_ids)
    town.merges.append(merged.merge_id)


def unmerge(town: Town, _step: Step) -> None:
    if not town.merges:
        return
    merge_id = town.merges.pop()
    try:
        with town.runtime.transaction() as session:
            undone = merging.unmerge(session, merge_id, "test", dictionary=default_fields())
            queue_changes(session, undone.changed_contact_ids)
    except ConflictError:
        return
    # What each of them had said stands again, so whom the merge had taken out while pending may be asked anew.
    query = "SELECT fields ->> 'email' FROM contacts WHERE id = ANY(:ids) AND fields ->> 'email' <> ''"
    for (email,) in town.select(query, ids=list(undone.changed_contact_ids)):
        town.judge.agree(email, 0, town.number, is_confirmed=False)


def erase(town: Town, step: Step) -> None:
    people = town.select("SELECT id FROM contacts WHERE state = 'active' ORDER BY id")
    if not people or step.number % 2:
        return
    contact_id = people[step.number // 2 % len(people)][0]
    with town.runtime.transaction() as session:
        erased = erase_contact(session, contact_id, town.runtime.box, "asked")
        queue_changes(session, erased.contact_ids)
        shared = (
            session.execute(
                text(
                    "SELECT i.match_value FROM identities i JOIN contacts c ON c.id = i.contact_id"
                    " WHERE i.kind = 'email' AND c.state = 'active'"
                )
            )
            .scalars()
            .all()
        )
    for email in erased.addresses:
        if "@" in email and email.casefold() not in shared:
            town.judge.withdraw(email, town.now, town.number, what="erasure")


def go_away(town: Town, step: Step) -> None:
    """A tag by which no audience wants them any more; or it is taken off again."""
    people = town.select("SELECT id, tags FROM contacts WHERE state = 'active' ORDER BY id")
    if not people:
        return
    contact_id, tags = people[step.number % len(people)]
    change = "removed" if AWAY in tags else "added"
    with town.runtime.transaction() as session:
        session.execute(text(TAG[change]), {"id": contact_id, "tags": [AWAY]})
        queue_changes(session, [contact_id])


def speak(town: Town, step: Step) -> None:
    people = town.select("SELECT id FROM contacts WHERE state = 'active' ORDER BY id")
    if not people:
        return
    with town.runtime.transaction() as session, suppress(ConflictError):
        queue_changes(session, choose_speaker(session, people[step.number % len(people)][0]))


def replay(town: Town, step: Step) -> None:
    with town.runtime.transaction() as session:
        replaying.replay(session, replaying.Choice(source=("forms", "proofs", "mc")[step.number % 3]))
    town.drain()


def republish(town: Town, step: Step) -> None:
    """A new version of a mapping, the same words."""
    slug = ("forms", "proofs", "mc")[step.number % 3]
    with town.runtime.transaction() as session:
        source_id = session.execute(
            text("SELECT id FROM sources WHERE slug = :slug"), {"slug": slug}
        ).scalar_one()
        document = session.execute(
            text("SELECT document FROM mapping_versions WHERE id = :id"),
            {"id": mapping_in_force(session, source_id).version_id},
        ).scalar_one()
        publish_mapping(session, source_id, document, note="again", author="test")
