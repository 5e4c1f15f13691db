"""Messages in the console: who said what, where, and what is kept of it."""

from datetime import UTC, datetime, timedelta

import pytest

from app.web.queries.messages import PAGE
from tests.web.conftest import Dom, Person
from tests.web.rows import add_contact, add_message, add_source

NOW = datetime.now(UTC)


@pytest.fixture
def said(session) -> dict[str, int]:
    source, other = (
        add_source(session, "town-page", "Town page", ""),
        add_source(session, "reviews", "Reviews", ""),
    )
    ana = add_contact(session, first_name="Ana", last_name="Example")
    ids = {
        "comment": add_message(
            session, source, "1", contact_id=ana.id, influence=5400.0, url="https://page.example/1"
        ),
        "mention": add_message(
            session, source, "2", kind="mention", text="Saw it!", url="javascript:alert(1)"
        ),
        "private": add_message(session, source, "3", kind="direct_message", text="", is_private=True),
        "review": add_message(session, other, "4", kind="review", text="Long queue.", rating=4),
        "deleted": add_message(session, source, "5", text="", deleted_at=NOW),
    }
    session.commit()
    return {name: message.id for name, message in ids.items()} | {"ana": ana.id}


def test_without_messages_the_page_says_what_will_stand_there(viewer: Person):
    assert "Nothing was said yet" in viewer.get("/messages").text


def test_messages_show_author_source_influence_and_what_is_kept(viewer: Person, said):
    page = viewer.get("/messages").text

    for expected in (
        "Ana Example", f'href="/contacts/{said["ana"]}"', "Nobody known", "influence 5\u202f400", "Lovely day!", "Long queue.",
        'title="4 of 5"', "Its text is not kept.", "private", "Deleted at the platform", 'href="https://page.example/1"',
    ):  # fmt: skip
        assert expected in page


def test_an_address_that_is_none_of_the_web_is_no_link(viewer: Person, said):
    assert "javascript:" not in viewer.get("/messages").text


@pytest.mark.parametrize(("query", "expected"), [
    ("kind=review", {"Long queue."}), ("source=reviews", {"Long queue."}), ("kind=mention", {"Saw it!"}),
    ("source=town-page", {"Lovely day!", "Saw it!"}), ("source=nobody", set()),
    ("kind=nonsense", {"Lovely day!", "Saw it!", "Long queue."}), ("source=%00", {"Lovely day!", "Saw it!", "Long queue."}),
    ("before=99999999999999999999999", set()),
])  # fmt: skip
def test_messages_are_found_by_source_and_kind(viewer: Person, said, query: str, expected: set[str]):
    page = viewer.get(f"/messages?{query}").text

    assert expected == {text for text in ("Lovely day!", "Saw it!", "Long queue.") if text in page}


def test_older_messages_stand_on_the_next_page(viewer: Person, session):
    source = add_source(session, "town-page", "Town page", "")
    for number in range(PAGE + 3):
        add_message(
            session, source, str(number), text=f"word {number} end", said_at=NOW - timedelta(minutes=number)
        )
    session.commit()

    first = viewer.get("/messages").text
    older = next(
        value for tag, name, value in Dom(first).attributes if name == "href" and "before=" in str(value)
    )
    second = viewer.get(str(older)).text

    assert ("word 0 end" in first, f"word {PAGE} end" in first) == (True, False)
    assert [f"word {PAGE + number} end" in second for number in range(3)] == [True] * 3
    assert "word 0 end" not in second


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\u202eevil", "</blockquote><iframe>", "{{7*7}}"]
)
def test_what_people_say_is_text_and_nothing_else(viewer: Person, session, text: str):
    add_message(session, add_source(session, "town-page", text, ""), "1", text=text)
    session.commit()

    dom = Dom(viewer.get("/messages").text)

    assert text in dom.isolated
    assert "iframe" not in dom.tags
