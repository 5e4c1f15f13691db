"""Audiences as people use them: looking, approving, pausing, trying, and a count that follows the writing."""

from playwright.sync_api import Page, expect
from sqlalchemy import text

from app.audiences.models import Audience
from tests.browser.conftest import Console
from tests.web.rows import add_run


def ask(sessions, statement: str) -> object:
    with sessions() as session:
        return session.execute(text(statement)).scalar_one()


def test_a_first_sync_is_looked_at_and_approved(page: Page, console: Console, sessions):
    box = page.locator("article", has_text="The first sync waits for approval")
    box.get_by_role("link", name="Look at it").click()
    panel = page.locator("#approval")
    expect(panel).to_contain_text("Would join")
    expect(panel.get_by_role("link", name="Ana Example").first).to_be_visible()
    panel.get_by_role("button", name="Approve", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text("Approved")
    expect(page.locator("#approval")).to_have_count(0)
    assert ask(sessions, "SELECT approved_at IS NOT NULL FROM audiences")


def test_an_audience_is_paused_and_resumed(page: Page, console: Console, sessions):
    page.goto(console.url + "/audiences/newsletter")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paused")
    expect(page.locator(".alarm")).to_contain_text("Paused by admin@office.example.")
    assert ask(sessions, "SELECT paused_code FROM audiences") == "by_admin"

    page.get_by_role("button", name="Resume").click()

    expect(page.get_by_role("status")).to_contain_text("It goes on where it stopped.")
    assert ask(sessions, "SELECT paused_at IS NULL FROM audiences")


def test_the_count_follows_the_writing(page: Page, console: Console, sessions):
    page.goto(console.url + "/audiences/newsletter/settings")
    rule, count = page.get_by_label("Entry rule as JSON"), page.locator("#count [data-count]")
    expect(count).to_have_text("1")

    rule.fill('{"tags_none": ["open-day"]}')
    expect(count).to_have_text("0")
    expect(page.locator("#count")).to_contain_text("who do not have the tag open-day")
    rule.fill('{"tags_none": ')
    expect(page.locator("#count")).to_contain_text("is not JSON")
    rule.fill('{"tags_any": ["open-day"]}')
    expect(count).to_have_text("1")
    page.get_by_role("button", name="Save the rule").click()

    expect(page.get_by_role("status")).to_contain_text("The rule is saved.")
    assert ask(sessions, "SELECT entry_rule FROM audiences") == {"tags_any": ["open-day"]}


def test_a_sample_is_tried_and_nothing_is_written(page: Page, console: Console, sessions):
    before = ask(sessions, "SELECT count(*) FROM contacts")
    page.goto(console.url + "/sources/office-form")
    page.get_by_role("link", name="Try a sample").click()
    page.get_by_label("Body, as the platform sends it").fill(
        '{"email": "nora@mail.example", "first_name": "Nora"}'
    )
    page.get_by_role("button", name="Try it").click()

    trial = page.locator("#trial")
    expect(trial).to_contain_text("Nothing was written.")
    expect(trial).to_contain_text("nora@mail.example")
    expect(trial).to_contain_text("it would be a new contact")
    assert before == ask(sessions, "SELECT count(*) FROM contacts")


def test_a_run_is_watched_until_its_end(page: Page, console: Console, sessions):
    with sessions() as session, session.begin():
        audience = session.query(Audience).one()
        run_id = add_run(session, audience, state="running", done_count=10, total_count=40, call_count=1).id
    page.goto(f"{console.url}/runs/{run_id}")
    expect(page.locator(".numbers")).to_contain_text("10 of 40")
    with sessions() as session, session.begin():
        session.execute(text("UPDATE sync_runs SET done_count = 40, state = 'done', finished_at = now()"))

    expect(page.get_by_role("heading", level=1)).to_contain_text("Done", timeout=15_000)
    expect(page.locator(".numbers")).to_contain_text("40 of 40")
