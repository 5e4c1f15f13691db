"""Take the pictures of the console for the README, against a running Muster.

    muster sources add website open-day-form --label "Open day form"     # answers the hook's address
    muster sources add standard_webhooks events-desk --label "Events desk"
    muster admin link --invite                                           # answers a one-time link
    python tools/screenshots.py --hook http://127.0.0.1:8080/hooks/open-day-form/KEY --link LINK

Needs Chromium and the development requirements. The people are made up and live at reserved domains.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).parent.parent / "docs" / "images"
WIDE, PHONE = {"width": 1280, "height": 820}, {"width": 390, "height": 844}
NAMES = ("Ana", "Ben", "Chidi", "Dora", "Emil", "Fatima", "Goran", "Hana", "Ivo", "June", "Kofi", "Lena")
ANA = (
    {"email": "ana@mail.example", "first_name": "Ana", "last_name": "Example", "newsletter": "yes"},
    {"email": "Ana@Mail.example", "name": "Ana Example", "phone": "+44 20 7946 0123"},
)
PAGES = ("/", "/deliveries", "/contacts", "/sources", "/dead-letters", "/account")


def people() -> list[dict[str, str]]:
    """Made-up people, one of them twice in two spellings, and a form filled in badly."""
    crowd = [
        {
            "email": f"{name.lower()}@mail.example",
            "first_name": name,
            "last_name": "Example",
            "phone": f"+44 20 7946 0{200 + number}",
            "newsletter": "yes" if number % 3 else "no",
        }
        for number, name in enumerate(NAMES[1:])
    ]
    return [*crowd, {"first_name": "Nobody", "email": "nobody(at)mail.example"}, *ANA]


def post(hook: str, person: dict[str, str]) -> None:
    """One form post."""
    request = urllib.request.Request(hook, json.dumps(person).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def shoot(page: Page, url: str, out: Path, name: str, *, is_full: bool = False) -> None:
    """One picture of one page."""
    page.goto(url)
    page.wait_for_timeout(300)
    page.screenshot(path=out / f"{name}.png", full_page=is_full)


def inner_pages(page: Page, root: str, source: str) -> dict[str, str]:
    """Addresses that depend on what is stored: Ana, a delivery, the dead letter, the mapping."""
    page.goto(f"{root}/contacts?q=ana@mail.example")
    found = {"contact": page.locator("table .row-link").first.get_attribute("href")}
    page.goto(f"{root}/deliveries?state=done")
    found["delivery"] = page.locator("table .row-link").first.get_attribute("href")
    page.goto(f"{root}/deliveries?state=dead")
    dead = page.locator("table .row-link")
    if dead.count():
        found["dead-letter"] = dead.first.get_attribute("href")
    fixed = {"source": f"/sources/{source}", "mapping": f"/sources/{source}/mapping"}
    return {name: root + str(path) for name, path in (found | fixed).items()}


def main() -> None:
    """Post the people, sign in by the link, take the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hook", required=True, help="the address of a website source")
    parser.add_argument("--link", required=True, help="a one-time link of `muster admin link`")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--all", action="store_true", help="every page, wide and on a phone, into --out")
    parser.add_argument("--no-people", action="store_true", help="the people are there already")
    options = parser.parse_args()
    root = "{0.scheme}://{0.netloc}".format(urlsplit(options.link))
    source = re.sub(r"^/hooks/([^/]+).*", r"\1", urlsplit(options.hook).path)
    options.out.mkdir(parents=True, exist_ok=True)
    for person in () if options.no_people else people():
        post(options.hook, person)
        time.sleep(0.2)
    time.sleep(0 if options.no_people else 4)
    flags = ["--disable-gpu", "--hide-scrollbars", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_context(viewport=WIDE).new_page()
        page.goto(options.link)
        page.get_by_label("E-mail address").fill(f"editor-{secrets.token_hex(3)}@office.example")
        page.get_by_label("Password").fill(secrets.token_urlsafe(16))
        page.get_by_role("button", name="Make account").click()
        page.wait_for_url(root + "/")
        inner = inner_pages(page, root, source)
        shoot(page, root + "/", options.out, "overview")
        shoot(page, inner["contact"], options.out, "contact")
        if options.all:
            for width, viewport in (("wide", WIDE), ("phone", PHONE)):
                page.set_viewport_size(viewport)
                for path in PAGES:
                    shoot(page, root + path, options.out, f"{width}{path.replace('/', '-')}", is_full=True)
                for name, url in inner.items():
                    shoot(page, url, options.out, f"{width}-{name}", is_full=True)
        browser.close()


if __name__ == "__main__":
    main()
