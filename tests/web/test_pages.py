"""What the pages show, and what their buttons do."""

import json

import pytest
from sqlalchemy import Engine

from app.web.pages.overview import Snapshot
from tests.web.conftest import Person, run_sql
from tests.web.rows import MAPPING, add_contact, add_delivery, add_event, add_source


def test_an_empty_muster_says_what_to_do_first(viewer: Person):
    pages = {
        path: viewer.get(path).text for path in ("/", "/deliveries", "/contacts", "/sources", "/dead-letters")
    }

    assert "muster sources add website" in pages["/"]
    assert "Nothing has arrived yet" in pages["/deliveries"]
    assert "Nobody is here yet" in pages["/contacts"]
    assert "No source yet" in pages["/sources"]
    assert "No dead letters" in pages["/dead-letters"]


def test_the_overview_counts_today(viewer: Person, office):
    page = viewer.get("/").text

    assert "Office form" in page
    assert "Newsletter" in page
    assert "2 need you" in page
    assert "1 delivery or event to work on" in page
    assert "Running" in page
    assert "Silent" in page


def test_the_overview_counts_once_for_many_watchers():
    calls = []
    snapshot = Snapshot()

    for _ in range(5):
        snapshot.get(lambda: calls.append(1) or "counted")  # type: ignore[func-returns-value,arg-type,return-value]

    assert 1 == len(calls)


@pytest.mark.parametrize(("query", "expected"), [
    ("", {"fine", "bad", "unread", "waiting"}),
    ("state=dead", {"bad", "unread"}),
    ("state=waiting", {"waiting"}),
    ("state=done", {"fine"}),
    ("source=office-form", {"fine", "bad", "unread", "waiting"}),
    ("source=another", set()),
    ("q=form-2", {"bad"}),
    ("q=nothing", set()),
    ("state=no-such-state", {"fine", "bad", "unread", "waiting"}),
    ("before=0", set()),
    ("before=-5", set()),
    ("q=99999999999999999999999", set()),
    ("q=%00", {"fine", "bad", "unread", "waiting"}),
])  # fmt: skip
def test_deliveries_are_found_by_source_state_and_key(viewer: Person, office, query: str, expected: set[str]):
    page = viewer.get(f"/deliveries?{query}").text

    shown = {
        name for name in ("fine", "bad", "unread", "waiting") if f'href="/deliveries/{office[name]}"' in page
    }
    if query == "before=0":  # 0 asks for the newest
        expected = {"fine", "bad", "unread", "waiting"}
    assert expected == shown


def test_a_delivery_shows_what_became_of_it(viewer: Person, office):
    page = viewer.get(f"/deliveries/{office['fine']}").text

    assert "Mapped, matched and written to a contact." in page
    assert f'href="/contacts/{office["contact"]}"' in page
    assert "version 1" in page
    assert "&#34;email&#34;: &#34;ana@mail.example&#34;" in page


def test_a_dead_letter_says_why_and_what_next(viewer: Person, office):
    page = viewer.get(f"/deliveries/{office['bad']}").text

    assert "This is no e-mail address." in page
    assert "Ask the person." in page
    assert "ana(at)mail" in page
    assert "mapping" in page


def test_bytes_that_are_no_text_are_shown_in_hex(viewer: Person, office):
    page = viewer.get(f"/deliveries/{office['unread']}").text

    assert "ff fe 00 6e 6f 74 68 69 6e 67" in page


def test_the_body_is_kept_as_received_and_never_run(viewer: Person, session):
    source = add_source(session)
    body = b"<script>alert(1)</script>"
    delivery = add_delivery(session, source, "k", body, content_type="text/html")
    session.commit()

    answer = viewer.get(f"/deliveries/{delivery.id}/body")

    assert body == answer.data
    assert "application/octet-stream" == answer.mimetype
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_an_editor_replays_a_dead_letter(editor: Person, office, engine: Engine):
    answer = editor.post(f"/dead-letters/event/{office['dead_event']}/replay")

    assert 302 == answer.status_code
    assert [("new", None)] == run_sql(
        engine, "SELECT state, settled_at FROM events WHERE id = :id", id=office["dead_event"]
    )
    assert [("event.replay", "editor@office.example")] == run_sql(
        engine, "SELECT action, actor FROM audit_entries ORDER BY id DESC LIMIT 1"
    )


def test_an_editor_replays_a_delivery(editor: Person, office, engine: Engine):
    editor.post(f"/deliveries/{office['unread']}/replay")

    assert [("new",)] == run_sql(engine, "SELECT state FROM deliveries WHERE id = :id", id=office["unread"])


def test_an_editor_replays_all_dead_letters(editor: Person, office, engine: Engine):
    editor.post("/dead-letters/replay")

    assert [(0,)] == run_sql(engine, "SELECT count(*) FROM events WHERE state = 'dead'")
    assert [(0,)] == run_sql(engine, "SELECT count(*) FROM deliveries WHERE state = 'dead'")


def test_an_event_of_another_delivery_is_not_replayed(editor: Person, office, engine: Engine):
    answer = editor.post(f"/deliveries/{office['fine']}/events/{office['dead_event']}/replay")

    assert 404 == answer.status_code
    assert [("dead",)] == run_sql(engine, "SELECT state FROM events WHERE id = :id", id=office["dead_event"])


def test_a_viewer_sees_no_buttons(viewer: Person, office):
    pages = [
        viewer.get(path).text
        for path in ("/dead-letters", f"/deliveries/{office['bad']}", "/sources/office-form")
    ]

    assert not any("Replay</button>" in page or "Switch off" in page for page in pages)


def test_a_contact_shows_where_each_value_comes_from(viewer: Person, office):
    page = viewer.get(f"/contacts/{office['contact']}").text

    assert "Ana Example" in page
    assert page.count(f'href="/deliveries/{office["fine"]}"') >= 3
    assert "Yes, send me the newsletter." in page
    assert "Subscribed" in page
    assert "Filled in the form" in page


@pytest.mark.parametrize("query", ["ana@mail.example", "ANA@MAIL.EXAMPLE", "Ana Exam", "example", "ana@"])
def test_a_contact_is_found_by_name_and_address(viewer: Person, office, query: str):
    page = viewer.get("/contacts", query_string={"q": query}).text

    assert f'href="/contacts/{office["contact"]}"' in page


@pytest.mark.parametrize("query", ["%", "_", "\\", "'", "nobody", "1e400", "99999999999999999999"])
def test_a_search_takes_signs_as_they_are(viewer: Person, office, query: str):
    answer = viewer.get("/contacts", query_string={"q": query})

    assert 200 == answer.status_code
    assert "Nobody found" in answer.text


def test_a_contact_is_found_by_telephone_however_written(viewer: Person, session):
    contact = add_contact(session, email="ben@mail.example", phone="+442079460000")
    session.commit()

    page = viewer.get("/contacts", query_string={"q": "+44 20 7946 0000"}).text

    assert f'href="/contacts/{contact.id}"' in page


def test_a_source_is_switched_off_and_on(editor: Person, office, engine: Engine):
    editor.post("/sources/office-form/disable")
    off = run_sql(engine, "SELECT is_enabled FROM sources")
    editor.post("/sources/office-form/enable")

    assert ([(False,)], [(True,)]) == (off, run_sql(engine, "SELECT is_enabled FROM sources"))


def test_a_source_page_counts_what_was_turned_away(viewer: Person, office):
    page = viewer.get("/sources/office-form").text

    assert "wrong signature" in page
    assert "/hooks/office-form" in page


CHANGED = MAPPING.replace("do: [trim]", "do: [trim, lower]").replace(
    "first_name: Ana}\n", "first_name: ana}\n"
)


def publish(person: Person, document: str, note: str = "Lower case", base: int = 1):
    return person.post(
        "/sources/office-form/mapping", data={"document": document, "note": note, "base": str(base)}
    )


def test_the_mapping_page_shows_the_result_on_a_stored_event(viewer: Person, office):
    page = viewer.get(f"/sources/office-form/mapping?event={office['event']}").text

    assert "mapping: office-form" in page
    assert "<strong><bdi>ana@mail.example</bdi></strong>" in page
    assert "email consent for newsletter given" in page


def test_the_check_names_problems_at_their_line(editor: Person, office):
    broken = MAPPING.replace("to: email\n", "to: emial\n").replace("[trim]", "[trimm]")

    answer = editor.post(
        "/sources/office-form/mapping/check", data={"document": broken, "event": str(office["event"])}
    )

    lines = [number for number in range(1, 30) if f'data-line="{number}"' in answer.text]
    assert 200 == answer.status_code
    assert [
        broken.splitlines().index("  - to: emial") + 1,
        broken.splitlines().index("    do: [trimm]") + 1,
    ] == lines
    assert 'data-verdict="bad"' in answer.text


def test_the_check_runs_the_tests_inside(editor: Person, office):
    broken = MAPPING.replace(
        "expect: {email: ana@mail.example, first_name: Ana}", "expect: {first_name: Ben}"
    )

    answer = editor.post("/sources/office-form/mapping/check", data={"document": broken, "event": ""})

    assert 'data-verdict="bad"' in answer.text
    assert "a person" in answer.text


@pytest.mark.parametrize(
    "document", ["", "a: [", "x" * 5000, "- 1\n- 2", "&a [*a]", "\x00", "mapping: x\n" * 3, "{" * 500]
)
def test_the_check_survives_any_text(editor: Person, office, document: str):
    answer = editor.post("/sources/office-form/mapping/check", data={"document": document, "event": "x"})

    assert 200 == answer.status_code
    assert 'data-verdict="bad"' in answer.text


def test_the_check_of_another_sources_event_shows_nothing(editor: Person, office, session):
    other = add_source(session, "other-form", "Other form")
    session.commit()

    answer = editor.post(
        f"/sources/{other.slug}/mapping/check", data={"document": MAPPING, "event": str(office["event"])}
    )

    assert "ana@mail.example" not in answer.text


def test_publishing_makes_a_version_with_note_and_author(editor: Person, office, engine: Engine):
    answer = publish(editor, CHANGED)

    assert 302 == answer.status_code
    assert [(2, "Lower case", "editor@office.example", CHANGED)] == run_sql(
        engine, "SELECT number, note, author, document FROM mapping_versions WHERE number > 1"
    )


def test_a_text_with_problems_is_not_published_and_not_lost(editor: Person, office, engine: Engine):
    answer = publish(editor, MAPPING.replace("[trim]", "[trimm]"))

    assert 422 == answer.status_code
    assert "[trimm]" in answer.text
    assert [(1,)] == run_sql(engine, "SELECT count(*) FROM mapping_versions")


def test_who_publishes_second_is_told_and_keeps_the_text(editor: Person, office, engine: Engine):
    publish(editor, CHANGED)

    answer = publish(editor, MAPPING.replace("newsletter\n    from", "events\n    from"), note="Mine", base=1)

    assert 409 == answer.status_code
    assert "Somebody else published version 2" in answer.text
    assert "purpose: events" in answer.text
    assert 'value="Mine"' in answer.text
    assert [(2,)] == run_sql(engine, "SELECT max(number) FROM mapping_versions")


def test_going_back_publishes_the_old_text_as_a_new_version(editor: Person, office, engine: Engine):
    publish(editor, CHANGED)

    editor.post("/sources/office-form/mapping/versions/1/roll-back")

    assert [(3, MAPPING)] == run_sql(
        engine,
        "SELECT v.number, v.document FROM mapping_versions v JOIN sources s ON s.mapping_version_id = v.id",
    )


def test_versions_are_compared_line_by_line(editor: Person, office):
    publish(editor, CHANGED)

    page = editor.get("/sources/office-form/mapping/compare/1/2").text

    assert '<div class="removed">-     do: [trim]</div>' in page
    assert '<div class="added">+     do: [trim, lower]</div>' in page


def test_a_missing_version_is_not_found(viewer: Person, office):
    assert [404, 404] == [
        viewer.get(path).status_code
        for path in ("/sources/office-form/mapping/versions/9", "/sources/office-form/mapping/compare/1/9")
    ]


def test_a_delivery_of_many_events_shows_the_given_up_ones_first(viewer: Person, session):
    source = add_source(session)
    delivery = add_delivery(session, source, "batch", json.dumps([]).encode(), event_count=250)
    for number in range(250):
        state = "dead" if number == 249 else "done"
        add_event(
            session,
            source,
            delivery,
            f"e{number}",
            {},
            state=state,
            reason="No address." if state == "dead" else "",
        )
    session.commit()

    page = viewer.get(f"/deliveries/{delivery.id}").text

    assert "No address." in page
    assert "200 of 250 events are shown" in page
