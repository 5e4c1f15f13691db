"""What people say on a platform becomes timeline entries, and goes when the platform deletes it."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.contacts.erase import erase_contact
from app.contacts.read import find_contacts, get_contact_view
from app.core.runtime import Runtime
from app.inbox.events import insert_events
from app.pipeline import apply_events
from app.sources.configure import add_source
from app.sources.mappings import publish_mapping
from integrations.kit.contract import Event, Message

MAPPING = """
mapping: comments
version: 1
target: contact
when: {path: email, exists: true}
fields:
  - {to: email, from: email, key: true}
summary: commented on the page
"""
WORDS = "I loved the reunion, see you next year"


@pytest.fixture
def runtime(settings, sessions) -> Runtime:
    runtime = Runtime(settings)
    with runtime.transaction() as session:
        add_source(session, runtime.box, "website", "form", {})
        source_id = session.execute(text("SELECT id FROM sources")).scalar_one()
        publish_mapping(session, source_id, MAPPING, note="", author="test")
    yield runtime
    runtime.engine.dispose()


def say(runtime: Runtime, key: str, minute: int, message: Message, email: str = "ana@mail.example") -> None:
    content = {"email": email, "text": message.text} if email else {"text": message.text}
    event = Event(
        key, "comment", content, datetime(2026, 11, 1, 10, minute, tzinfo=UTC), "page-1", message=message
    )
    with runtime.transaction() as session:
        source_id = session.execute(text("SELECT id FROM sources WHERE slug = 'form'")).scalar_one()
        insert_events(session, source_id, [event])
    while apply_events(runtime).count:
        pass


def lines_of(runtime: Runtime) -> list[tuple]:
    with runtime.transaction() as session:
        contact = find_contacts(session, "ana@mail.example").contacts[0]
        view = get_contact_view(session, contact.id)
    return [(line.kind, line.words, line.is_private, line.is_deleted) for line in view.timeline]


def everything(runtime: Runtime) -> str:
    with runtime.transaction() as session:
        kept = session.execute(
            text("SELECT m::text FROM messages m UNION ALL SELECT e::text FROM events e")
        ).scalars()
        return " ".join(kept)


def test_a_comment_stands_in_the_timeline_of_whoever_said_it(runtime):
    say(runtime, "1", 0, Message("c1", "comment", WORDS, url="https://social.example/c1"))

    assert [("message", WORDS, False, False)] == lines_of(runtime)


def test_a_private_message_is_marked(runtime):
    say(runtime, "1", 0, Message("m1", "direct_message", "", is_private=True))

    assert [("message", "", True, False)] == lines_of(runtime)


@pytest.mark.parametrize("order", [("said", "deleted"), ("deleted", "said")])
def test_what_the_platform_deletes_is_redacted_in_either_order(runtime, order):
    messages = {
        "said": Message("c1", "comment", WORDS),
        "deleted": Message("c1", "comment", change="deleted"),
    }

    for minute, change in enumerate(order):
        say(runtime, change, minute, messages[change])

    assert WORDS not in everything(runtime)
    assert {True} == {is_deleted for _, _, _, is_deleted in lines_of(runtime)[-1:]}


def test_the_newest_wording_stands_whatever_order_it_comes_in(runtime):
    say(runtime, "edit", 5, Message("c1", "comment", "second wording", change="edited"))
    say(runtime, "said", 0, Message("c1", "comment", "first wording"))

    with runtime.transaction() as session:
        assert [("second wording",)] == [
            tuple(row) for row in session.execute(text("SELECT text FROM messages"))
        ]


def test_a_mention_by_nobody_we_know_is_stored_with_its_influence(runtime):
    say(runtime, "1", 0, Message("t1", "mention", WORDS, influence=71.0), email="")

    with runtime.transaction() as session:
        found = session.execute(text("SELECT contact_id, text, influence FROM messages")).all()
    assert [(None, WORDS, 71.0)] == [tuple(row) for row in found]


def test_an_erased_person_takes_their_words_along(runtime):
    say(runtime, "1", 0, Message("c1", "comment", WORDS))
    with runtime.transaction() as session:
        contact = find_contacts(session, "ana@mail.example").contacts[0]

        erase_contact(session, contact.id, runtime.box, "asked")

    assert WORDS not in everything(runtime)
