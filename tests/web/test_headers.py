"""Headers on every answer, cookies that stay at home."""

from dataclasses import replace

import pytest
from flask import Flask

from app.factory import create_app
from app.web.headers import is_same_origin
from tests.web.conftest import Person
from tests.web.rows import add_office
from tests.web.test_access import own_rules, path_of

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def policy(answer) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def test_every_route_and_every_error_carries_the_headers(app: Flask, session, admin: Person):
    ids = add_office(session)
    session.commit()
    paths = [path_of(rule, ids) for rule in own_rules(app) if "GET" in (rule.methods or set())]
    missing = []

    for path in [*paths, "/no/such/page", "/deliveries/999999", "/sources/nothing"]:
        answer = admin.get(path)
        missing += [(path, name) for name, value in ALWAYS.items() if answer.headers.get(name) != value]
        missing += [] if "'self'" == policy(answer)["default-src"] else [(path, "policy")]
        if answer.mimetype == "text/html":
            missing += [] if "charset=utf-8" in answer.content_type else [(path, "charset")]
            missing += [] if answer.headers["Cache-Control"] == "no-store" else [(path, "no-store")]
        answer.close()

    assert [] == missing


def test_the_policy_allows_no_inline_code_and_no_frame(visitor: Person):
    directives = policy(visitor.get("/sign-in"))

    assert "'none'" == directives["frame-ancestors"]
    assert "'none'" == directives["base-uri"]
    assert not any("unsafe" in value for value in directives.values())


def test_no_page_has_inline_code_or_style_or_foreign_parts(app: Flask, session, admin: Person):
    from tests.web.conftest import Dom

    ids = add_office(session)
    session.commit()
    found = []

    for rule in own_rules(app):
        if "GET" not in (rule.methods or set()) or rule.endpoint.endswith("static"):
            continue
        page = Dom(admin.get(path_of(rule, ids)).text)
        found += [
            (rule.endpoint, tag, name, value)
            for tag, name, value in page.attributes
            if name.startswith("on")
            or name == "style"
            or (name in {"src", "href", "action"} and value and "//" in value)
        ]
        assert "style" not in page.tags

    assert [] == found


def test_https_brings_hsts_and_a_host_cookie(settings, database_url):
    app = create_app(replace(settings, public_url="https://muster.example"))

    answer = app.test_client().get("/sign-in", base_url="https://muster.example")

    cookie = answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    assert cookie.startswith("__Host-muster=")
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Domain" not in cookie
    app.extensions["muster"].runtime.engine.dispose()


def test_http_brings_no_hsts(visitor: Person):
    assert "Strict-Transport-Security" not in visitor.get("/sign-in").headers


def test_static_files_carry_no_cookie(viewer: Person):
    answer = viewer.get("/static/console.css")

    assert 200 == answer.status_code
    assert "Set-Cookie" not in answer.headers
    answer.close()


@pytest.mark.parametrize(("fetch_site", "origin", "expected"), [
    ("same-origin", None, True),
    ("none", None, True),
    ("cross-site", "http://muster.example", False),
    ("same-site", None, False),
    (None, None, True),
    (None, "http://muster.example", True),
    (None, "https://muster.example.evil.example", False),
    (None, "null", False),
])  # fmt: skip
def test_same_origin_is_decided_by_what_the_browser_says(fetch_site, origin, expected: bool):
    assert expected == is_same_origin(fetch_site, origin, "muster.example")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/no/such/page", 404), ("/deliveries/999999999999999999999", 404), ("/sources/%00", 404)],
)
def test_errors_are_calm_and_tell_nothing(admin: Person, path: str, status: int):
    answer = admin.get(path)

    assert status == answer.status_code
    assert not any(
        word in answer.text for word in ("Traceback", "sqlalchemy", "psycopg", "site-packages", "SELECT")
    )


def test_a_fault_of_our_own_tells_nothing(app: Flask, admin: Person, caplog):
    def broken():
        raise RuntimeError("the password is swordfish")

    broken.access = "viewer"  # type: ignore[attr-defined]
    app.view_functions["overview.show"], kept = broken, app.view_functions["overview.show"]
    try:
        answer = admin.get("/")
    finally:
        app.view_functions["overview.show"] = kept

    assert 500 == answer.status_code
    assert "swordfish" not in answer.text


def test_without_the_database_the_console_says_so_kindly(settings):
    app = create_app(replace(settings, database_url="postgresql://muster@127.0.0.1:1/nothing"))

    client = app.test_client()
    with client.session_transaction() as kept:
        kept["_user_id"] = "somebody"
    answer = client.get("/")

    assert 503 == answer.status_code
    assert "does not answer" in answer.text
    app.extensions["muster"].runtime.engine.dispose()
