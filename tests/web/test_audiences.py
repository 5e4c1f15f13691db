"""Audiences in the console: what each shows, and what is decided there."""

import pytest

from app.audiences.models import Audience
from app.web.pages import audiences
from tests.web.conftest import AUDIENCE_PAGE, Dom, Person, change_audience, read_audience, run_sql
from tests.web.rows import add_contact, add_member, add_run, first_sync_findings


def test_without_an_audience_the_page_says_how_to_add_one(viewer: Person):
    page = viewer.get("/audiences")

    assert (200, True) == (page.status_code, "muster audiences add" in page.text)


def test_the_list_shows_state_members_webhook_and_the_last_run(viewer: Person, office):
    page = viewer.get("/audiences").text

    for expected in (
        "Newsletter", "For approval of its first sync", "Not made yet", "First sync, dry run", "The first sync waits",
    ):  # fmt: skip
        assert expected in page


@pytest.mark.parametrize(("assignments", "expected"), [
    ("is_enabled = false", "Off"),
    ("approved_at = now()", "Ready"),
    ("paused_at = now(), paused_code = 'gone', paused_reason = 'It is not there any more.'", "It is not there any more."),
])  # fmt: skip
def test_each_state_is_told_in_words(viewer: Person, engine, office, assignments: str, expected: str):
    change_audience(engine, assignments)

    assert expected in viewer.get("/audiences").text
    assert expected in viewer.get(AUDIENCE_PAGE).text


def test_an_outage_of_mailchimp_is_told_with_the_next_step(viewer: Person, engine, office):
    change_audience(engine, "approved_at = now()")
    run_sql(engine, """UPDATE destinations SET breaker = '{"state": "open"}'""")

    page = viewer.get(AUDIENCE_PAGE).text

    assert "Mailchimp does not answer properly" in page
    assert "goes on by itself" in page


def test_a_first_sync_is_shown_with_samples_and_reasons(editor: Person, office):
    page = editor.get(AUDIENCE_PAGE).text

    for expected in (
        "12",
        "Would join",
        "joins as subscribed",
        "There is no e-mail address.",
        "Ask for one.",
        "Strangers",
    ):
        assert expected in page
    assert f'href="/contacts/{office["contact"]}"' in page
    assert f'action="/runs/{office["run"]}/approve?from=audience"' in page


def test_an_approved_first_sync_lets_the_audience_go(editor: Person, engine, office, audited):
    answer = editor.post(f"/runs/{office['run']}/approve?from=audience")

    assert (302, AUDIENCE_PAGE) == (answer.status_code, answer.location)
    assert read_audience(engine, "approved_at IS NOT NULL") == (True,)
    assert run_sql(engine, "SELECT state FROM sync_runs")[0][0] == "done"
    assert ("editor@office.example", "sync.approve", f"run:{office['run']}") in audited()


def test_a_rejected_first_sync_stays_undone(editor: Person, engine, office, audited):
    answer = editor.post(f"/runs/{office['run']}/reject?from=audience", follow_redirects=True)

    assert "Rejected" in answer.text
    assert read_audience(engine, "approved_at IS NULL") == (True,)
    assert ("editor@office.example", "sync.reject", f"run:{office['run']}") in audited()


def test_approving_twice_is_refused_in_words(editor: Person, office):
    editor.post(f"/runs/{office['run']}/approve")

    answer = editor.post(f"/runs/{office['run']}/approve")

    assert (409, True) == (answer.status_code, "it waits for nobody" in answer.text)


def test_a_first_sync_that_was_broken_off_is_approved_only_on_purpose(
    editor: Person, session, engine, office
):
    audience = session.query(Audience).one()
    findings = first_sync_findings(office["contact"])
    run = add_run(
        session,
        audience,
        "first_sync",
        state="failed",
        findings=findings,
        error={"reason": "Nobody here belongs."},
    )
    run_sql(engine, "UPDATE sync_runs SET state = 'cancelled'")
    session.commit()

    page = editor.get(AUDIENCE_PAGE).text
    plain = editor.post(f"/runs/{run.id}/approve")
    anyway = editor.post(f"/runs/{run.id}/approve", data={"anyway": "1"})

    assert "Nobody here belongs." in page
    assert "Approve anyway" in page
    assert (409, 302) == (plain.status_code, anyway.status_code)


def test_an_alert_calls_an_audience_by_its_name(viewer: Person, engine, office):
    change_audience(engine, "label = 'College news'")

    for path in ("/", "/audiences"):
        assert "Audience <bdi>College news</bdi></a>" in viewer.get(path).text


def test_the_guard_is_told_in_one_sentence(viewer: Person, engine, office):
    change_audience(engine, "guard_share = 0.05")
    words = "Up to 20 people, or 5&nbsp;% of the members if that is more, may leave within a day unasked."

    assert words in viewer.get(AUDIENCE_PAGE).text
    assert (
        "Up to 20 people may in any case, or this share of the members if that is more."
        in viewer.get(f"{AUDIENCE_PAGE}/settings").text
    )


def test_people_who_cannot_be_synced_stand_under_their_reason(viewer: Person, session, office):
    audience = session.query(Audience).one()
    error = {"code": "fake", "reason": "Mailchimp says that this looks fake.", "hint": "Correct the address."}
    for number in range(7):
        contact = add_contact(session, email=f"p{number}@mail.example", first_name=f"Person {number}")
        add_member(session, audience, contact, sync_state="failed", error=error)
    session.commit()

    page = viewer.get(AUDIENCE_PAGE).text
    whole = viewer.get(f"{AUDIENCE_PAGE}/cannot/fake").text

    assert "Mailchimp says that this looks fake." in page
    assert "x7" in page
    assert "Correct the address." in page
    assert f'href="{AUDIENCE_PAGE}/cannot/fake"' in page
    assert [f"Person {number}" in page for number in range(7)] == [True] * 5 + [False] * 2
    assert all(f"Person {number}" in whole for number in range(7))


def test_a_reason_that_is_gone_has_an_empty_page(viewer: Person, office):
    assert "Nobody any more" in viewer.get(f"{AUDIENCE_PAGE}/cannot/nothing").text


def test_the_last_comparison_shows_what_differed(viewer: Person, session, engine, office):
    audience = session.query(Audience).one()
    change_audience(engine, "approved_at = now()")
    findings = {
        "statuses": {"subscribed": {"there": 20, "here": 18}},
        "missing": 2, "differing": 1, "leaving": 0, "in_step": 17, "gone": 0, "queued": 3, "strangers": 1, "refused": 0,
        "fields": {"LNAME": {"count": 1, "direction": "ours"}},
        "cannot_sync": [], "samples": {"missing": [{"contact_id": office["contact"], "change": "joins as subscribed"}]},
    }  # fmt: skip
    add_run(session, audience, "reconcile", findings=findings)
    session.commit()

    page = viewer.get(AUDIENCE_PAGE).text

    for expected in ("Missing there", "Being mended", "LNAME", "ours is written", "At Mailchimp"):
        assert expected in page


@pytest.mark.parametrize(("side", "said"), [("ours", "Ours stands"), ("theirs", "taken over")])
def test_a_field_review_is_decided(editor: Person, engine, office, audited, *, side: str, said: str):
    change_audience(engine, """merge_fields = '{"FNAME": "first_name"}'""")
    page = editor.get(AUDIENCE_PAGE).text

    answer = editor.post(f"{AUDIENCE_PAGE}/reviews/{office['review']}/{side}", follow_redirects=True)

    assert "Anna" in page
    assert said in answer.text
    assert [(side, "editor@office.example")] == [
        tuple(row) for row in run_sql(engine, "SELECT verdict, actor FROM field_reviews")
    ]
    assert "audience.review" in [action for _, action, _ in audited()]


def test_a_review_that_cannot_be_carried_out_is_told_at_its_form(editor: Person, engine, office):
    answer = editor.post(f"{AUDIENCE_PAGE}/reviews/{office['review']}/theirs")  # FNAME is not mapped

    assert (422, True) == (answer.status_code, "no longer mapped" in answer.text)
    assert [""] == [row[0] for row in run_sql(engine, "SELECT verdict FROM field_reviews")]


def test_a_webhook_that_cannot_be_made_is_told_with_the_next_step(
    editor: Person, house, monkeypatch, audited
):
    monkeypatch.setattr(audiences, "DOOR_SECONDS", 0.0)  # nobody serves the address here

    answer = editor.post(f"{AUDIENCE_PAGE}/webhook/repair")
    page = editor.get(AUDIENCE_PAGE).text

    assert (422, True) == (answer.status_code, "It could not be repaired" in answer.text)
    assert "Broken" in page
    assert ("editor@office.example", "audience.webhook_repair", "audience:newsletter") in audited()


def test_a_webhook_that_nobody_could_call_is_no_trouble(editor: Person, house, audited):
    house.execute("UPDATE destinations SET slug = 'elsewhere'")
    house.execute("UPDATE destinations SET sealed_key = :sealed", sealed=b"never opened")

    answer = editor.post(f"{AUDIENCE_PAGE}/webhook/rotate", follow_redirects=True)

    assert "pulls bring the news instead" in answer.text
    assert "Not possible" in answer.text
    assert ("editor@office.example", "audience.webhook_rotate", "audience:newsletter") in audited()


def test_a_missing_audience_is_a_page_that_says_so(viewer: Person):
    assert 404 == viewer.get("/audiences/nobody").status_code


def test_viewers_see_no_buttons(viewer: Person, office):
    page = viewer.get(AUDIENCE_PAGE).text

    assert "/pause" not in page
    assert "/approve" not in page
    assert "An editor approves or rejects this." in page


def test_the_overview_leads_with_what_wants_somebody(viewer: Person, engine, office):
    run_sql(
        engine,
        """UPDATE sources SET health = '{"state": "dead", "reason": "The subscription is gone", "hint": "Make it again."}'""",
    )
    page = viewer.get("/").text

    assert page.index("The first sync waits for approval") < page.index("Deliveries today")
    assert "The subscription is gone" in page
    assert "Make it again." in page
    assert 'href="/audiences/newsletter#approval"' in page


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "</textarea><iframe>", '"><svg onload=alert(1)>', "\u202eevil"]
)
def test_words_from_outside_are_text_and_nothing_else(editor: Person, session, engine, office, text: str):
    audience = session.query(Audience).one()
    error = {"code": "x", "reason": text, "hint": text, "count": 1, "contact_ids": [office["contact"]]}
    run = add_run(session, audience, errors=[error], error=error, actor=text)
    audience.label, audience.paused_reason, audience.tags = text, text, [text]
    audience.entry_rule = {"tags_any": [text]}
    session.commit()
    change_audience(engine, "paused_at = now(), paused_code = 'gone'")
    usual = {"script", "textarea", "svg"}

    pages = [
        editor.get(path).text
        for path in (
            "/audiences",
            AUDIENCE_PAGE,
            f"{AUDIENCE_PAGE}/settings",
            "/runs",
            f"/runs/{run.id}",
            "/",
        )
    ]

    for page in pages:
        dom = Dom(page)
        assert "iframe" not in dom.tags
        assert [] == [name for _, name, _ in dom.attributes if name.startswith("on")]
        assert "alert(1)</script>" not in page
        assert usual >= {tag for tag in dom.tags if tag in {*usual, "style", "object"}}
