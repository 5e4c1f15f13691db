"""Accounts: the first admin's link, signing in and out, sessions that end."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Engine

from app.web.accounts import first_admin_link, has_admin, invite_link, password_problem
from app.web.pages.accounts import local_path
from tests.web.conftest import PASSWORD, Person, add_account, run_sql, token_of


@pytest.fixture
def first_link(session) -> str:
    link = first_admin_link(session, "")
    session.commit()
    assert link is not None
    return link


def accept(visitor: Person, link: str, email: str = "ana@office.example", password: str = PASSWORD):
    return visitor.post(link, page=link, data={"email": email, "password": password})


def test_the_first_link_makes_an_admin_who_is_signed_in(visitor: Person, session, first_link: str):
    answer = accept(visitor, first_link)

    assert (302, "/") == (answer.status_code, answer.location)
    assert 200 == visitor.get("/").status_code
    assert has_admin(session)


def test_the_first_link_works_once(app: Flask, visitor: Person, first_link: str):
    accept(visitor, first_link)

    again = app.test_client().get(first_link)

    assert 410 == again.status_code


def test_a_second_first_link_dies_when_there_is_an_admin(
    app: Flask, visitor: Person, session, first_link: str
):
    other = first_admin_link(session, "")
    session.commit()
    accept(visitor, first_link)

    answer = app.test_client().get(other)

    assert 410 == answer.status_code


def test_there_is_no_first_link_once_there_is_an_admin(app: Flask, session):
    add_account(app, "ana@office.example", "admin")

    assert first_admin_link(session, "") is None


def test_a_viewer_is_no_admin(app: Flask, session):
    add_account(app, "ana@office.example", "viewer")

    assert not has_admin(session)


def test_a_link_dies_after_a_day(visitor: Person, session, first_link: str, engine: Engine):
    run_sql(engine, "UPDATE sign_in_links SET expires_at = now() - interval '1 second'")

    assert 410 == visitor.get(first_link).status_code


def test_only_a_hash_of_the_link_is_kept(engine: Engine, first_link: str):
    token = first_link.rpartition("/")[2]

    kept = run_sql(engine, "SELECT encode(token_hash, 'escape') FROM sign_in_links")

    assert 1 == len(kept)
    assert token not in kept[0][0]


def test_an_invitation_gives_its_role_and_no_more(visitor: Person, session):
    link = invite_link(session, "", "viewer")
    session.commit()

    accept(visitor, link)

    assert "Sees everything, changes nothing" in visitor.get("/account").text


def test_an_address_has_one_account(app: Flask, visitor: Person, session):
    add_account(app, "ana@office.example", "admin")
    link = invite_link(session, "")
    session.commit()

    answer = accept(visitor, link, email="ANA@office.example")

    assert 422 == answer.status_code
    assert "has an account already" in answer.text


@pytest.mark.parametrize(("password", "word"), [
    ("short", "12 characters"),
    ("a" * 200, "at most"),
    ("aaaaaaaaaaaaaaa", "different"),
    ("ana@office.example", "e-mail address"),
    ("a long walk in the hills", ""),
])  # fmt: skip
def test_a_password_is_long_and_not_the_address(password: str, word: str):
    problem = password_problem(password, "ana@office.example")

    assert word in problem
    assert bool(word) == bool(problem)


def test_passwords_are_kept_as_argon2id(app: Flask, engine: Engine):
    add_account(app, "ana@office.example", "admin")

    assert run_sql(engine, "SELECT password FROM users")[0][0].startswith("$argon2id$")


@pytest.mark.parametrize(("email", "password"), [
    ("viewer@office.example", "a wrong password"),
    ("nobody@office.example", PASSWORD),
    ("", ""),
])  # fmt: skip
def test_a_wrong_sign_in_says_the_same_whatever_was_wrong(
    app: Flask, visitor: Person, email: str, password: str
):
    add_account(app, "viewer@office.example", "viewer")

    answer = visitor.post("/sign-in", page="/sign-in", data={"email": email, "password": password})

    assert 401 == answer.status_code
    assert "do not match an account" in answer.text
    assert 302 == visitor.get("/").status_code


def test_a_disabled_account_does_not_sign_in(app: Flask, visitor: Person, engine: Engine):
    add_account(app, "viewer@office.example", "viewer")
    run_sql(engine, "UPDATE users SET active = false")

    answer = visitor.post(
        "/sign-in", page="/sign-in", data={"email": "viewer@office.example", "password": PASSWORD}
    )

    assert 401 == answer.status_code


def test_disabling_an_account_ends_its_session(viewer: Person, engine: Engine):
    run_sql(engine, "UPDATE users SET active = false")

    assert 302 == viewer.get("/").status_code


def test_wrong_sign_ins_slow_down(app: Flask, visitor: Person):
    add_account(app, "viewer@office.example", "viewer")
    token = token_of(visitor.get("/sign-in").text)
    form = {"csrf_token": token, "email": "viewer@office.example", "password": "a wrong password"}

    statuses = [visitor.client.post("/sign-in", data=form).status_code for _ in range(6)]
    held = visitor.client.post("/sign-in", data={**form, "password": PASSWORD})

    assert [401, 401, 401, 429, 429, 429] == statuses
    assert 429 == held.status_code
    assert 1 <= int(held.headers["Retry-After"]) <= 2


def test_signing_out_ends_the_cookie_on_every_device(app: Flask, viewer: Person):
    cookie = viewer.client.get_cookie("muster")
    assert cookie is not None
    elsewhere = app.test_client()
    elsewhere.set_cookie("muster", cookie.value)
    assert 200 == elsewhere.get("/").status_code

    viewer.post("/sign-out")
    elsewhere.set_cookie("muster", cookie.value)

    assert 302 == elsewhere.get("/").status_code


def test_another_password_ends_the_old_cookies(app: Flask, viewer: Person):
    cookie = viewer.client.get_cookie("muster")
    assert cookie is not None

    answer = viewer.post("/account", data={"password": PASSWORD, "new_password": "another walk in the woods"})

    old = app.test_client()
    old.set_cookie("muster", cookie.value)
    assert (302, 200, 302) == (answer.status_code, viewer.get("/").status_code, old.get("/").status_code)


def test_a_cookie_from_before_signing_in_opens_nothing_afterwards(app: Flask, visitor: Person):
    add_account(app, "viewer@office.example", "viewer")
    token = token_of(visitor.get("/sign-in").text)
    planted = visitor.client.get_cookie("muster")
    assert planted is not None
    visitor.client.post(
        "/sign-in", data={"csrf_token": token, "email": "viewer@office.example", "password": PASSWORD}
    )

    attacker = app.test_client()
    attacker.set_cookie("muster", planted.value)

    assert 302 == attacker.get("/").status_code
    assert token != token_of(visitor.get("/account").text)


@pytest.mark.parametrize(("minutes", "is_signed_in"), [(29, True), (31, False)])
def test_a_session_ends_after_half_an_hour_without_a_click(sign_in, minutes: int, is_signed_in: bool):
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False):
        person = sign_in("viewer")
    with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
        answer = person.get("/")

    assert is_signed_in == (answer.status_code == 200)


def test_a_session_ends_after_twelve_hours_however_busy(sign_in):
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False):
        person = sign_in("viewer")
    statuses = []
    for minutes in range(20, 12 * 60 + 40, 20):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            statuses.append(person.get("/account").status_code)

    assert [200] * 36 + [302] == statuses


def test_a_page_that_refreshes_itself_keeps_nobody_signed_in(sign_in):
    start = datetime.now(UTC)
    with time_machine.travel(start, tick=False):
        person = sign_in("viewer")
    statuses = []
    for minutes in (10, 20, 29, 31):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            answer = person.get("/overview/now", headers={"X-Fragment": "1", "X-Refresh": "1"})
            statuses.append(answer.status_code)

    assert [200, 200, 200, 401] == statuses


@pytest.mark.parametrize("wanted", [
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "", "/\tevil", "evil",
])  # fmt: skip
def test_signing_in_leads_nowhere_else(app: Flask, wanted: str):
    with app.test_request_context():
        assert "/" == local_path(wanted)


def test_signing_in_leads_back_to_the_page_that_was_asked_for(app: Flask, visitor: Person):
    add_account(app, "viewer@office.example", "viewer")
    asked = visitor.get("/deliveries?state=dead")

    answer = visitor.post(
        asked.location, page=asked.location, data={"email": "viewer@office.example", "password": PASSWORD}
    )

    assert "/deliveries?state=dead" == answer.location


@pytest.mark.shared
def test_redirect_texts_of_the_corpus_lead_nowhere_else(app: Flask, shared):
    import json

    lines = (shared / "corpora" / "open-redirect.jsonl").read_text(encoding="utf-8").splitlines()
    with app.test_request_context():
        from urllib.parse import urlsplit

        led = [local_path(str(json.loads(line).get("text", ""))) for line in lines]

    assert led
    assert [] == [
        path for path in led if urlsplit(path).netloc or urlsplit(path).scheme or not path.startswith("/")
    ]
