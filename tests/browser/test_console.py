"""The console as people use it."""

import re

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from tests.browser.conftest import DESKTOP, PASSWORD, Console, open_page, sign_in
from tests.web.rows import add_contact


def test_a_newcomer_makes_the_admin_signs_out_and_in_again(page: Page, console: Console):
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail address").fill("admin@office.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_wrong_password_is_told_kindly(browser: Browser, console: Console):
    context, page = open_page(browser, console, DESKTOP)
    page.goto(console.url + "/sign-in")
    page.get_by_label("E-mail address").fill("admin@office.example")
    page.get_by_label("Password").fill("this is not the one")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("do not match an account")
    context.close()


def test_the_overview_refreshes_itself(page: Page, console: Console, sessions):
    tile = page.locator(".tile", has_text="Contacts")
    expect(tile).to_contain_text("1")
    with sessions() as session, session.begin():
        add_contact(session, email="ben@mail.example")

    expect(tile.locator(".tile-number")).to_have_text("2", timeout=15_000)


def test_from_the_list_to_a_delivery_to_the_person(page: Page, console: Console):
    page.get_by_role("navigation", name="Rooms").get_by_text("Deliveries").click()
    page.get_by_role("link", name=str(console.ids["fine"]), exact=True).click()
    expect(page.get_by_role("heading", name=f"Delivery {console.ids['fine']}")).to_be_visible()
    expect(page.locator("pre.raw")).to_contain_text('"email": "ana@mail.example"')

    page.get_by_role("link", name=f"Contact {console.ids['contact']}").click()

    expect(page.get_by_role("heading", name="Ana Example")).to_be_visible()
    expect(page.get_by_text("Yes, send me the newsletter.")).to_be_visible()


def test_a_dead_letter_is_replayed(page: Page, console: Console, sessions):
    page.goto(console.url + "/dead-letters")
    expect(page.get_by_text("This is no e-mail address.")).to_be_visible()
    page.locator("article", has_text="This is no e-mail address.").get_by_role(
        "button", name="Replay"
    ).click()

    expect(page.get_by_role("status")).to_contain_text("Replayed")
    with sessions() as session:
        state = session.execute(
            text("SELECT state FROM events WHERE id = :id"), {"id": console.ids["dead_event"]}
        ).scalar_one()
    assert "new" == state


def test_a_mapping_is_mended_published_and_rolled_back(page: Page, console: Console):
    page.goto(console.url + "/sources/office-form/mapping")
    editor = page.get_by_label("Mapping as YAML")
    publish = page.get_by_role("button", name="Publish")
    verdict = page.locator("[data-verdict]")
    good = editor.input_value()
    expect(verdict).to_contain_text("No problems")
    page.get_by_label("Stored event").select_option(str(console.ids["event"]))
    expect(page.locator("#result tr", has_text="first_name")).to_contain_text("Ana")

    # A step that does not exist is named at its line, and the line is one click away.
    editor.fill(good.replace("do: [trim]", "do: [trimm]"))
    expect(verdict).to_contain_text("1 problem")
    expect(publish).to_be_disabled()
    line = good.splitlines().index("    do: [trim]") + 1
    expect(page.locator(".gutter .marked")).to_have_text(str(line))
    page.get_by_role("button", name=f"line {line}").click()
    assert "    do: [trimm]" == page.evaluate(
        "() => { const t = document.querySelector('textarea'); return t.value.slice(t.selectionStart, t.selectionEnd) }"
    )

    # Mended: the result beside it follows.
    mended = good.replace("do: [trim]", "do: [trim, upper]").replace(
        "expect: {email: ana@mail.example, first_name: Ana}",
        "expect: {email: ana@mail.example, first_name: ANA}",
    )
    editor.fill(mended)
    expect(verdict).to_contain_text("No problems; 1 test passes")
    expect(page.locator("#result tr", has_text="first_name").locator("strong")).to_have_text("ANA")
    page.get_by_label("What changed").fill("First names in capitals")
    publish.click()
    expect(page.get_by_role("status")).to_contain_text("Version 2 is in force.")
    expect(page.locator("#versions")).to_contain_text("First names in capitals")

    # What changed, and back again.
    page.locator("#versions").get_by_role("link", name="What changed").first.click()
    expect(page.locator(".diff .added").first).to_contain_text("trim, upper")
    page.go_back()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#versions").get_by_role("button", name="Go back to it").click()
    expect(page.get_by_role("status")).to_contain_text("Version 3 is in force")
    assert good == page.get_by_label("Mapping as YAML").input_value()


def test_two_admins_do_not_overwrite_each_other(page: Page, console: Console, browser: Browser, sessions):
    from app.sources.mappings import publish_mapping

    page.goto(console.url + "/sources/office-form/mapping")
    editor = page.get_by_label("Mapping as YAML")
    mine = editor.input_value().replace("purpose: newsletter", "purpose: events")
    editor.fill(mine)
    with sessions() as session, session.begin():
        publish_mapping(
            session, console.ids["source"], mine.replace("events", "news"), "Faster", "other@office.example"
        )
    page.get_by_label("What changed").fill("Mine")
    expect(page.get_by_role("button", name="Publish")).to_be_enabled()
    page.get_by_role("button", name="Publish").click()

    expect(page.get_by_role("alert")).to_contain_text("Somebody else published version 2")
    assert mine == page.get_by_label("Mapping as YAML").input_value()


PATHS = [
    "/", "/deliveries", "/deliveries/{fine}", "/deliveries/{bad}", "/deliveries/{unread}", "/contacts",
    "/contacts/{contact}", "/sources", "/sources/office-form", "/sources/office-form/mapping",
    "/sources/office-form/mapping/versions/1", "/sources/office-form/try", "/messages", "/audiences", "/audiences/newsletter",
    "/audiences/newsletter/settings", "/destinations", "/runs", "/runs/{run}", "/dead-letters", "/account", "/no/such/page",
]  # fmt: skip


def width_of(page: Page) -> tuple[int, int]:
    return tuple(
        page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    )


def test_no_page_scrolls_sideways_on_a_phone(phone: Page, console: Console):
    too_wide = []

    for path in PATHS:
        phone.goto(console.url + path.format(**console.ids))
        content, screen = width_of(phone)
        if content > screen:
            too_wide.append((path, content))

    assert [] == too_wide


def test_every_page_has_one_heading_and_named_controls(page: Page, console: Console):
    found = []

    for path in PATHS:
        page.goto(console.url + path.format(**console.ids))
        found += [] if page.locator("h1").count() == 1 else [(path, "h1")]
        nameless = page.locator("button, a[href], input:not([type=hidden]), select, textarea").evaluate_all(
            """(els) => els.filter((el) => !(el.textContent.trim() || el.labels?.length || el.getAttribute("aria-label") || el.title))
                .map((el) => el.outerHTML.slice(0, 80))"""
        )
        found += [(path, html) for html in nameless]

    assert [] == found


HOSTILE = [
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", '"><svg onload=alert(1)>', "javascript:alert(1)",
    "{{7*7}}", "</bdi><iframe src=javascript:alert(1)>", "\u202eevil", "a\r\nb", "<style>*{display:none}</style>",
]  # fmt: skip


def test_names_from_outside_are_text_and_nothing_else(page: Page, console: Console, sessions):
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with sessions() as session, session.begin():
        ids = {name: add_contact(session, first_name=name, email="x@mail.example").id for name in HOSTILE}

    wrong = []
    for name, contact_id in ids.items():
        page.goto(f"{console.url}/contacts/{contact_id}")
        shown = (
            page.locator("table.fields tr", has_text="First name")
            .locator("bdi")
            .first.evaluate("(el) => el.textContent")
        )
        if shown != name:
            wrong.append((name, shown))

    assert ([], []) == (wrong, dialogs)


def test_a_phone_reaches_every_room(phone: Page, console: Console):
    for room in (
        "Deliveries", "Contacts", "Messages", "Sources", "Audiences", "Destinations", "Runs", "Dead letters", "Overview",
    ):  # fmt: skip
        phone.get_by_role("navigation", name="Rooms").get_by_text(room, exact=True).click()
        expect(phone.get_by_role("heading", level=1)).to_have_text(re.compile(room))


def test_a_signed_out_page_says_so_instead_of_refreshing(browser: Browser, console: Console, sessions):
    context, page = open_page(browser, console, DESKTOP)
    sign_in(page, console)
    with sessions() as session, session.begin():
        session.execute(text("UPDATE users SET fs_uniquifier = 'another'"))

    expect(page.get_by_text("You are signed out.")).to_be_visible(timeout=15_000)
    context.close()
