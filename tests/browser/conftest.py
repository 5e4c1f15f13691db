"""The console in a real browser: Debian's Chromium, driven by Playwright, against the real application."""

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from app.core.config import Settings
from app.factory import create_app
from app.web.accounts import first_admin_link
from app.web.pages.overview import Snapshot
from tests.web.rows import add_office

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", *(["--no-sandbox"] if os.geteuid() == 0 else []),
]  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PASSWORD = "a long walk in the hills"
# Kept across pages by the exposed function, so that no violation is lost by going on.
WATCH = """
    document.addEventListener("securitypolicyviolation", (e) => window.violated(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`));
"""


class QuietHandler(WSGIRequestHandler):
    def log(self, *arguments) -> None:
        pass


def answered_whole(app: Callable[..., Iterable[bytes]]) -> Callable[..., list[bytes]]:
    """The application, its answers read and closed at once: this server leaves a file open when the browser hangs up."""

    def answer(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        parts = app(environ, start)
        try:
            return list(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()

    return answer


@dataclass
class Console:
    """A served console, and what its pages complained about."""

    url: str
    link: str
    ids: dict[str, int]
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one file: while Playwright runs, no other test of this process can start an event loop."""
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(settings: Settings, database_url: str) -> Iterator[tuple[str, object]]:
    """The application on a free port, in threads of this process."""
    app = create_app(replace(settings, public_url="http://127.0.0.1"))
    server = make_server("127.0.0.1", 0, answered_whole(app), threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, name="console", daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", app
    server.shutdown()
    thread.join(10)
    server.server_close()
    app.extensions["muster"].runtime.engine.dispose()


@pytest.fixture
def console(served, sessions) -> Console:
    """An office with people and some trouble, and the link for its first admin."""
    url, app = served
    app.extensions["muster_overview"] = Snapshot()
    with sessions() as session, session.begin():
        ids = add_office(session)
        link = first_admin_link(session, url)
    assert link is not None
    return Console(url, link, ids)


def open_page(browser: Browser, console: Console, viewport: dict[str, int]) -> tuple[BrowserContext, Page]:
    context = browser.new_context(viewport=viewport, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    context.expose_function("violated", lambda what: console.complaints.append(what))  # noqa: PLW0108 - a builtin will not do
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("pageerror", lambda error: console.complaints.append(f"script: {error}"))
    return context, page


def sign_in(page: Page, console: Console) -> None:
    """Make the first admin by the link, as a newcomer does."""
    page.goto(console.link)
    page.get_by_label("E-mail address").fill("admin@office.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make account").click()
    page.wait_for_url(console.url + "/")


@pytest.fixture
def page(browser: Browser, console: Console) -> Iterator[Page]:
    """A wide page, signed in. At the end nothing may have been complained about."""
    context, page = open_page(browser, console, DESKTOP)
    sign_in(page, console)
    yield page
    context.close()
    assert [] == console.complaints


@pytest.fixture
def phone(browser: Browser, console: Console) -> Iterator[Page]:
    """A phone, signed in."""
    context, page = open_page(browser, console, PHONE)
    sign_in(page, console)
    yield page
    context.close()
    assert [] == console.complaints
