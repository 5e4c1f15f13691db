"""What a test of audiences is done with: the simulator's control plane, and a small way to make contacts and push."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import get_destination_of
from app.audiences.models import Audience
from app.audiences.outbox import queue_changes
from app.audiences.pull import PullCounts, pull_audience
from app.audiences.push import PushCounts, PushOptions, push_audience
from app.contacts.drafts import lock_drafts
from app.contacts.ledger import EvidenceRow, append_evidence, derive_consents
from app.contacts.merge import merge, unmerge
from app.contacts.normalise import match_value
from app.contacts.speak import choose_speaker
from app.core.clock import database_now
from app.core.db import transaction
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.simulator.server import RunningSimulator
from mappings.language.fields import default_fields

CROWD = """
WITH people AS (
    INSERT INTO contacts (fields, tags)
    SELECT jsonb_build_object('email', 'p' || n || '@house.test', 'first_name', 'P' || n), CAST(:tags AS text[])
    FROM generate_series(1, :count) AS n RETURNING id, fields ->> 'email' AS email),
addresses AS (
    INSERT INTO identities (kind, match_value, given_value, contact_id) SELECT 'email', email, email, id FROM people),
stated AS (
    INSERT INTO contact_patches (contact_id, occurred_at, fields, tags_added)
    SELECT id, now(), jsonb_build_object('email', email, 'first_name', 'P' || substring(email FROM '[0-9]+')), CAST(:tags AS text[])
    FROM people),
lines AS (
    INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, occurred_at)
    SELECT id, 'email', 'newsletter', email, 'given', now() FROM people RETURNING id, contact_id)
INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)
SELECT contact_id, 'email', 'newsletter', 'given', 'claimed', id, now() FROM lines RETURNING contact_id
"""
# What somebody states of a contact, as a patch that the contact's fields and their provenance come from.
STATE = """
WITH patch AS (
    INSERT INTO contact_patches (contact_id, occurred_at, fields, tags_added, tags_removed)
    VALUES (:id, coalesce(CAST(:at AS timestamptz), now()), CAST(:fields AS jsonb), :added, :removed) RETURNING id, occurred_at)
UPDATE contacts c SET fields = c.fields || CAST(:fields AS jsonb),
    tags = ARRAY(SELECT t FROM unnest(c.tags || CAST(:added AS text[])) AS t WHERE t <> ALL(CAST(:removed AS text[]))),
    provenance = c.provenance || coalesce((
        SELECT jsonb_object_agg(name, jsonb_build_object('patch_id', p.id, 'event_id', NULL, 'source_id', NULL,
            'occurred_at', to_char(p.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')))
        FROM patch p, jsonb_object_keys(CAST(:fields AS jsonb)) AS name), '{}')
WHERE c.id = :id
"""


@dataclass
class Simulator:
    """The control plane of a running simulator."""

    running: RunningSimulator

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.running.origin}/_sim{path}",
            data=None if method == "GET" else json.dumps(body or {}).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def contact(self, act: str, email: str, **more: Any) -> Any:
        return self.call("POST", f"/contact/{act}", {"email": email, **more})

    def staff(self, act: str, email: str, **more: Any) -> Any:
        return self.call("POST", f"/staff/{act}", {"email": email, **more})

    def member(self, email: str) -> Any:
        """The simulator's own state of a member; None where there is none."""
        audience = next(iter(self.running.world.audiences.values()))
        return audience.find(email)

    def member_count(self) -> int:
        return sum(1 for _ in next(iter(self.running.world.audiences.values())).members())

    def tags(self, email: str) -> set[str]:
        audience = next(iter(self.running.world.audiences.values()))
        return {audience.tags[tag_id].name for tag_id in self.member(email).tag_ids}

    @property
    def calls(self) -> int:
        return self.running.world.journal.counts().get("calls", 0)

    def entries(self, email: str = "") -> list[dict[str, Any]]:
        return self.running.world.journal.entries(email=email)

    def subscribing(self, email: str) -> int:
        """How many requests would have subscribed this address."""
        wanted = email.casefold()
        return sum(
            note["is_subscribing"]
            for entry in self.entries(email)
            for note in entry["notes"]
            if note["email"].casefold() == wanted
        )

    def fault(self, kind: str, **rule: Any) -> None:
        self.call("POST", "/faults", {"kind": kind, **rule})

    def mend(self) -> None:
        self.running.world.faults.clear()

    def later(self) -> None:
        """Mailchimp tells whole seconds; let the next ones be newer for sure."""
        self.call("POST", "/clock", {"advance_seconds": 5})


@dataclass
class Office:
    """Everything one test needs: the audience, contacts, pushing."""

    sessions: sessionmaker[Session]
    connections: Connections
    audience_id: int
    number: int = 0

    def add(
        self,
        email: str,
        *,
        consent: str = "given",
        proof: str = "claimed",
        tags: tuple[str, ...] = (),
        **fields: Any,
    ) -> int:
        """A contact with an address, its fields, and one line in the ledger; queued."""
        with transaction(self.sessions) as session:
            contact_id = session.execute(
                text("INSERT INTO contacts DEFAULT VALUES RETURNING id")
            ).scalar_one()
            self._state(session, contact_id, {"email": email, **fields}, added=list(tags))
            self._identify(session, contact_id, email)
        if consent != "none":
            self.say(contact_id, consent, email, proof)
        self.touch(contact_id)
        return int(contact_id)

    def add_many(self, count: int, **more: Any) -> list[int]:
        """person0@house.test, person1@house.test, ... one by one."""
        return [self.add(f"person{one}@house.test", first_name=f"P{one}", **more) for one in range(count)]

    def crowd(self, count: int, *tags: str) -> list[int]:
        """p1@house.test, p2@house.test, ... with consent; queued."""
        with transaction(self.sessions) as session:
            ids = list(session.scalars(text(CROWD), {"count": count, "tags": list(tags)}))
            queue_changes(session, ids)
        return ids

    def say(
        self,
        contact_id: int,
        verdict: str,
        email: str,
        proof: str = "claimed",
        *,
        purpose: str = "newsletter",
    ) -> None:
        """One statement about consent, now; of the person where there is no address."""
        with transaction(self.sessions) as session:
            now = database_now(session)
            append_evidence(
                session,
                [
                    EvidenceRow(
                        contact_id, "email", purpose, match_value("email", email).value if email else "", verdict, proof,
                        "", "form", now, now, None, None, 0, "test",
                    )
                ],
            )  # fmt: skip
            derive_consents(session, lock_drafts(session, [contact_id]).values())
        self.touch(contact_id)

    def _state(self, session: Session, contact_id: int, fields: Mapping[str, Any], **more: Any) -> None:
        asked = {"id": contact_id, "fields": json.dumps(fields), "at": None, "added": [], "removed": []}
        session.execute(text(STATE), {**asked, **more})

    def change(self, contact_id: int, at: str | None = None, **fields: Any) -> None:
        """Other values, stated now or `at` some time (ISO); None takes one away by hand."""
        with transaction(self.sessions) as session:
            self._state(session, contact_id, fields, at=at)
            if fields.get("email"):
                self._identify(session, contact_id, fields["email"])
        self.touch(contact_id)

    def _identify(self, session: Session, contact_id: int, email: str) -> None:
        statement = (
            "INSERT INTO identities (kind, match_value, given_value, contact_id) VALUES ('email', :value, :given, :id)"
            " ON CONFLICT DO NOTHING"
        )
        session.execute(
            text(statement), {"value": match_value("email", email).value, "given": email, "id": contact_id}
        )

    def tag(self, contact_id: int, *tags: str) -> None:
        """These tags and no others."""
        with transaction(self.sessions) as session:
            there = session.execute(
                text("SELECT tags FROM contacts WHERE id = :id"), {"id": contact_id}
            ).scalar_one()
            gone = [tag for tag in there if tag not in tags]
            new = [tag for tag in tags if tag not in there]
            self._state(session, contact_id, {}, added=new, removed=gone)
        self.touch(contact_id)

    def fields(self, contact_id: int) -> dict[str, Any]:
        """What the customer database has of a contact."""
        return dict(self.execute("SELECT fields FROM contacts WHERE id = :id", id=contact_id)[0][0])

    def choose(self, contact_id: int) -> None:
        """Let a contact stand for its address."""
        with transaction(self.sessions) as session:
            queue_changes(session, choose_speaker(session, contact_id))

    def touch(self, *contact_ids: int) -> None:
        with transaction(self.sessions) as session:
            queue_changes(session, contact_ids)

    def push(self, **options: Any) -> PushCounts:
        return push_audience(self.sessions, self.connections, self.audience_id, PushOptions(**options))

    def pull(self) -> PullCounts:
        return pull_audience(self.sessions, self.connections, self.audience_id)

    def gateway(self) -> Gateway:
        """Calls on the audience's account, as another client of it would make them."""
        with self.sessions() as session:
            return self.connections.gateway(get_destination_of(session, self.audience_id))

    def put(self, **values: Any) -> None:
        """Other settings of the audience, unchecked."""
        with transaction(self.sessions) as session:
            audience = session.get_one(Audience, self.audience_id)
            for name, value in values.items():
                setattr(audience, name, value)

    def execute(self, statement: str, **values: Any) -> list[Any]:
        with transaction(self.sessions) as session:
            result: Any = session.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def mirror(self, contact_id: int) -> Any:
        rows = self.execute("SELECT * FROM members WHERE contact_id = :id", id=contact_id)
        return rows[0] if rows else None

    def double_member(self, contact_id: int, status: str = "") -> None:
        """A second mirror row of the only member there is, held by this contact too; with another `status` if given."""
        self.execute("DELETE FROM members WHERE contact_id = :id", id=contact_id)
        self.execute(
            "INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash, status, pushed_hash)"
            " SELECT audience_id, :id, email_address, subscriber_hash, coalesce(nullif(:status, ''), status), pushed_hash"
            " FROM members",
            id=contact_id,
            status=status,
        )

    def change_count(self) -> int:
        return int(self.execute("SELECT count(*) FROM changes")[0][0])

    def consent(self, contact_id: int) -> str:
        rows = self.execute(
            "SELECT status FROM consents WHERE contact_id = :id AND purpose = 'newsletter'", id=contact_id
        )
        return rows[0][0] if rows else "none"

    def hurry(self) -> None:
        """Let every wait be over."""
        self.execute("UPDATE changes SET next_attempt_at = now()")


def join_contacts(office: Office, winner: int, loser: int) -> int:
    with transaction(office.sessions) as session:
        merged = merge(session, winner, loser, "same", "test", dictionary=default_fields())
        queue_changes(session, merged.changed_contact_ids)
    return merged.merge_id


def part_contacts(office: Office, merge_id: int) -> None:
    with transaction(office.sessions) as session:
        undone = unmerge(session, merge_id, "test", dictionary=default_fields())
        queue_changes(session, undone.changed_contact_ids)
