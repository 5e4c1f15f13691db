"""Rows that pages are tested on: a small office with a form, people, an audience, and some trouble."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.audiences.models import Audience, Destination, FieldReview, Member, SyncRun
from app.contacts.models import (
    Consent,
    ConsentEvidence,
    Contact,
    Identity,
    Message,
    StoredPatch,
    TimelineEntry,
)
from app.core.models import Heartbeat
from app.inbox.models import Attempt, Delivery, Event
from app.sources.mappings import publish_mapping
from app.sources.models import Rejection, Source

MAPPING = """\
mapping: office-form
version: 1
target: contact
fields:
  - to: email
    from: email
    do: [email]
    key: true
  - to: first_name
    from: [first_name, name]
    do: [trim]
consent:
  - channel: email
    purpose: newsletter
    from: newsletter
    "yes": ["yes"]
tests:
  - name: a person
    given: {email: ana@mail.example, first_name: Ana}
    expect: {email: ana@mail.example, first_name: Ana}
"""


def add_source(
    session: Session, slug: str = "office-form", label: str = "Office form", document: str = MAPPING
) -> Source:
    source = Source(
        slug=slug, integration="website", label=label, settings={"redirect": "https://office.example/thanks"}
    )
    session.add(source)
    session.flush()
    if document:
        publish_mapping(session, source.id, document, "First version", "editor@office.example")
    return source


def add_delivery(session: Session, source: Source, key: str, body: bytes, **values: Any) -> Delivery:
    delivery = Delivery(
        source_id=source.id,
        key=key,
        method="POST",
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        **{
            "headers": [["user-agent", "Form/1.0"]],
            "query": [],
            "content_type": "application/json",
            "state": "done",
            "event_count": 1,
            "settled_at": datetime.now(UTC),
            **values,
        },
    )
    session.add(delivery)
    session.flush()
    return delivery


def add_event(
    session: Session,
    source: Source,
    delivery: Delivery | None,
    key: str,
    content: dict[str, Any],
    **values: Any,
) -> Event:
    event = Event(
        source_id=source.id,
        delivery_id=delivery.id if delivery else None,
        key=key,
        kind="form.submitted",
        content=content,
        **{"state": "done", "settled_at": datetime.now(UTC), **values},
    )
    session.add(event)
    session.flush()
    return event


def add_contact(
    session: Session, source: Source | None = None, event: Event | None = None, **fields: Any
) -> Contact:
    now = datetime.now(UTC)
    contact = Contact(fields=fields, tags=["open-day"])
    session.add(contact)
    session.flush()
    patch = StoredPatch(
        contact_id=contact.id,
        event_id=event.id if event else None,
        source_id=source.id if source else None,
        occurred_at=now,
        fields=fields,
    )
    session.add(patch)
    session.flush()
    contact.provenance = {
        name: {
            "patch_id": patch.id,
            "event_id": patch.event_id,
            "source_id": patch.source_id,
            "occurred_at": now.isoformat(),
        }
        for name in fields
    }
    if "email" in fields:
        address = str(fields["email"])
        session.add(
            Identity(
                kind="email",
                match_value=address.lower(),
                given_value=address,
                contact_id=contact.id,
                source_id=patch.source_id,
                event_id=patch.event_id,
            )
        )
    session.flush()
    return contact


def add_consent(session: Session, contact: Contact, source: Source, event: Event, wording: str) -> None:
    now = datetime.now(UTC)
    evidence = ConsentEvidence(
        contact_id=contact.id,
        channel="email",
        purpose="newsletter",
        address=str(contact.fields.get("email", "")),
        verdict="given",
        wording=wording,
        method="form",
        occurred_at=now,
        source_id=source.id,
        event_id=event.id,
    )
    session.add(evidence)
    session.flush()
    session.add(
        Consent(
            contact_id=contact.id,
            channel="email",
            purpose="newsletter",
            status="given",
            proof="claimed",
            evidence_id=evidence.id,
            decided_at=now,
        )
    )


def add_audience(session: Session) -> Audience:
    destination = Destination(slug="mailchimp", base_url="http://127.0.0.1:8081/3.0", sealed_key=b"sealed")
    session.add(destination)
    session.flush()
    audience = Audience(
        slug="newsletter", destination_id=destination.id, list_id="abc123", label="Newsletter"
    )
    session.add(audience)
    session.flush()
    return audience


def add_member(
    session: Session, audience: Audience, contact: Contact, status: str = "subscribed", **values: Any
) -> None:
    address = str(contact.fields.get("email", "somebody@mail.example"))
    session.add(
        Member(
            audience_id=audience.id,
            contact_id=contact.id,
            email_address=address,
            subscriber_hash=hashlib.md5(address.encode()).hexdigest(),
            status=status,
            pushed_at=datetime.now(UTC),
            **values,
        )
    )


def add_run(session: Session, audience: Audience, kind: str = "push", **values: Any) -> SyncRun:
    now = datetime.now(UTC)
    run = SyncRun(audience_id=audience.id, kind=kind, **{"state": "done", "beat_at": now, **values})
    session.add(run)
    session.flush()
    return run


def first_sync_findings(contact_id: int) -> dict[str, Any]:
    """What a dry run keeps of one who would join."""
    counts = {
        "added": 12, "changed": 3, "removed": 0, "opted_out": 0, "unchanged": 5, "refused": 1, "strangers": 4,
    }  # fmt: skip
    refusal = {
        "code": "no_address", "reason": "There is no e-mail address.", "hint": "Ask for one.", "count": 1,
        "contact_ids": [contact_id],
    }  # fmt: skip
    samples = {"added": [{"contact_id": contact_id, "change": "joins as subscribed"}]}
    return {**counts, "fields": {"FNAME": 3}, "samples": samples, "refusals": [refusal]}


def add_message(session: Session, source: Source, message_id: str, **values: Any) -> Message:
    now = datetime.now(UTC)
    said = {"kind": "comment", "text": "Lovely day!", "said_at": now, "worded_at": now, **values}
    message = Message(source_id=source.id, message_id=message_id, **said)
    session.add(message)
    session.flush()
    return message


def add_office(session: Session) -> dict[str, int]:
    """Everything at once; the ids that tests ask for."""
    source = add_source(session)
    content = {"email": "ana@mail.example", "first_name": "Ana", "newsletter": "yes"}
    fine = add_delivery(session, source, "form-1", json.dumps(content).encode())
    event = add_event(session, source, fine, "form-1", content)
    contact = add_contact(
        session, source, event, email="ana@mail.example", first_name="Ana", last_name="Example"
    )
    event.contact_id, event.mapping_version_id = contact.id, source.mapping_version_id
    add_consent(session, contact, source, event, "Yes, send me the newsletter.")
    session.add(
        TimelineEntry(
            contact_id=contact.id,
            occurred_at=datetime.now(UTC),
            kind="event",
            summary="Filled in the form",
            source_id=source.id,
            event_id=event.id,
        )
    )
    error = {
        "code": "not_an_email",
        "reason": "This is no e-mail address.",
        "hint": "Ask the person.",
        "field": "email",
        "path": "email",
        "value": "ana(at)mail",
    }
    bad = add_delivery(session, source, "form-2", b'{"email": "ana(at)mail"}')
    dead = add_event(
        session,
        source,
        bad,
        "form-2",
        {"email": "ana(at)mail"},
        state="dead",
        reason=error["reason"],
        error=error,
    )
    session.add(Attempt(event_id=dead.id, stage="map", error=error))
    unread = add_delivery(
        session,
        source,
        "form-3",
        b"\xff\xfe\x00nothing",
        state="dead",
        event_count=0,
        content_type="application/octet-stream",
        error={"code": "unreadable", "reason": "The body is no JSON.", "hint": "Check what the form sends."},
    )
    waiting = add_delivery(
        session,
        source,
        "form-4",
        b"email=x%40mail.example",
        state="new",
        event_count=0,
        settled_at=None,
        content_type="application/x-www-form-urlencoded",
    )
    session.add(
        Rejection(source_id=source.id, day=datetime.now(UTC).date(), reason="wrong signature", count=3)
    )
    audience = add_audience(session)
    add_member(session, audience, contact)
    run = add_run(session, audience, "first_sync", state="waiting", findings=first_sync_findings(contact.id))
    review = FieldReview(
        audience_id=audience.id, contact_id=contact.id, tag="FNAME", ours="Ana", theirs="Anna"
    )
    session.add(review)
    add_message(session, source, "said-1", contact_id=contact.id)
    session.add(Heartbeat(name="worker@host:1", kind="worker", host="host", pid=1, beat_at=datetime.now(UTC)))
    session.add(
        Heartbeat(
            name="web@host:2",
            kind="web",
            host="host",
            pid=2,
            beat_at=datetime.now(UTC) - timedelta(minutes=5),
        )
    )
    session.flush()
    return {
        "fine": fine.id,
        "dead_event": dead.id,
        "bad": bad.id,
        "unread": unread.id,
        "waiting": waiting.id,
        "contact": contact.id,
        "event": event.id,
        "source": source.id,
        "run": run.id,
        "review": review.id,
    }
