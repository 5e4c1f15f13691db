"""Every route declares its access, and nobody gets further than that."""

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app.web.access import FOREIGN, RANK, access_of
from tests.web.conftest import Person
from tests.web.rows import add_office

ARGUMENTS = {
    "delivery_id": "fine", "event_id": "event", "contact_id": "contact", "letter_id": "dead_event", "run_id": "run", "review_id": "review",
}  # fmt: skip
FIXED = {
    "kind": "event",
    "slug": "office-form",
    "number": "1",
    "old": "1",
    "new": "1",
    "token": "nothing",
    "filename": "console.css",
    "rest": "office-form",
    "audience": "newsletter",
    "account": "mailchimp",
    "side": "ours",
    "code": "no_address",
    "state": "off",
}
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
HOOKS = "hooks"


def own_rules(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(HOOKS)]


def path_of(rule: Rule, ids: dict[str, int]) -> str:
    values = {name: FIXED.get(name) or ids[ARGUMENTS[name]] for name in rule.arguments}
    built = rule.build(values)
    assert built is not None
    return built[1]


def test_every_route_declares_its_access(app: Flask):
    undeclared = [
        rule.endpoint for rule in app.url_map.iter_rules() if access_of(app, rule.endpoint) not in RANK
    ]

    assert [] == undeclared


def test_only_these_routes_are_public(app: Flask):
    public = {rule.endpoint for rule in own_rules(app) if access_of(app, rule.endpoint) == "public"}

    assert {"static", "bootstrap.static", "accounts.sign_in", "accounts.first_admin"} == public


def test_routes_of_others_are_named_one_by_one():
    assert {"static", "bootstrap.", "hooks."} == set(FOREIGN)


@pytest.mark.parametrize("role", ["viewer", "editor", "admin"])
def test_each_role_reaches_what_it_may_and_nothing_else(app: Flask, session, sign_in, role: str):
    ids = add_office(session)
    session.commit()
    person = sign_in(role)
    wrong = []

    for rule in sorted(own_rules(app), key=lambda rule: rule.endpoint == "accounts.sign_out"):
        asked = access_of(app, rule.endpoint)
        for method in sorted((rule.methods or set()) & {"GET", *UNSAFE}):
            path = path_of(rule, ids)
            answer = person.get(path) if method == "GET" else person.post(path)
            is_allowed = RANK[role] >= RANK[asked or "admin"]
            if (answer.status_code == 403) == is_allowed or answer.status_code >= 500:
                wrong.append((method, path, asked, answer.status_code))

    assert [] == wrong


def test_a_visitor_gets_no_further_than_the_sign_in_page(app: Flask, session, visitor: Person):
    ids = add_office(session)
    session.commit()
    wrong = []

    for rule in own_rules(app):
        if access_of(app, rule.endpoint) == "public":
            continue
        for method in sorted((rule.methods or set()) & {"GET", *UNSAFE}):
            path = path_of(rule, ids)
            answer = visitor.get(path) if method == "GET" else visitor.post(path, page="/sign-in")
            is_kept_out = answer.status_code == 401 or (
                method == "GET" and answer.location.startswith("/sign-in")
            )
            if not is_kept_out:
                wrong.append((method, path, answer.status_code))

    assert [] == wrong


def test_an_undeclared_route_is_closed(app: Flask, admin: Person):
    def forgotten() -> str:
        return "secret"

    app.view_functions["overview.show"], kept = forgotten, app.view_functions["overview.show"]
    try:
        answer = admin.get("/")
    finally:
        app.view_functions["overview.show"] = kept

    assert 403 == answer.status_code


@pytest.mark.parametrize("headers", [
    {},  # no token
    {"X-CSRFToken": "made-up"},
])  # fmt: skip
def test_no_change_without_the_token_of_the_session(
    app: Flask, session, admin: Person, headers: dict[str, str]
):
    ids = add_office(session)
    session.commit()
    accepted = []

    for rule in own_rules(app):
        for method in sorted((rule.methods or set()) & UNSAFE):
            answer = admin.client.open(path_of(rule, ids), method=method, headers=headers)
            if answer.status_code != 403:
                accepted.append((method, rule.rule, answer.status_code))

    assert [] == accepted


def test_the_token_of_somebody_else_is_refused(app: Flask, admin: Person, visitor: Person):
    from tests.web.conftest import token_of

    token = token_of(visitor.get("/sign-in").text)

    answer = admin.client.post("/sign-out", data={"csrf_token": token})

    assert 403 == answer.status_code
    assert 200 == admin.get("/").status_code


@pytest.mark.parametrize(("headers", "status"), [
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 302),
    ({"Origin": "http://localhost"}, 302),
])  # fmt: skip
def test_no_change_for_another_site_even_with_the_token(admin: Person, headers: dict[str, str], status: int):
    answer = admin.post("/sign-out", headers=headers)

    assert status == answer.status_code


def test_reading_changes_nothing(app: Flask, session, admin: Person):
    ids = add_office(session)
    session.commit()
    before = session.connection().exec_driver_sql("SELECT count(*), max(revision) FROM sources").one()
    session.commit()

    for rule in own_rules(app):
        if "GET" in (rule.methods or set()):
            admin.get(path_of(rule, ids))

    after = session.connection().exec_driver_sql("SELECT count(*), max(revision) FROM sources").one()
    dead = (
        session.connection().exec_driver_sql("SELECT count(*) FROM events WHERE state = 'dead'").scalar_one()
    )
    assert (tuple(before), 1) == (tuple(after), dead)
