"""Mailchimp accounts in the console: checking, another key, signing in by OAuth."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from app.audiences.account import CALLBACK_PATH
from app.audiences.connect import binding
from tests.kit.login_host import LoginHost
from tests.kit.office import Office, Simulator
from tests.web.conftest import Dom, Person, run_sql
from tests.web.rows import add_office


@pytest.fixture
def host(app: Flask, simulator: Simulator, monkeypatch) -> Iterator[LoginHost]:
    """A registered app at Mailchimp's login host."""
    runtime = app.extensions["muster"].runtime
    with LoginHost(simulator.running.config.api_key, simulator.running.origin) as host:
        settings = replace(
            runtime.settings,
            mailchimp_client_id="the-id",
            mailchimp_client_secret=host.secret,
            mailchimp_login_url=host.url,
            mailchimp_base_url=f"{simulator.running.origin}/3.0",
        )
        monkeypatch.setattr(runtime, "settings", settings)
        yield host


def begin(editor: Person, slug: str = "friends") -> str:
    """The state of a login just begun, out of the page that leads on."""
    answer = editor.post("/destinations/connect", data={"slug": slug})
    assert 200 == answer.status_code
    links = [value for tag, name, value in Dom(answer.text).attributes if (tag, name) == ("a", "href")]
    return parse_qs(urlsplit(str(links[-1])).query)["state"][0]


def test_without_an_account_the_page_says_how_to_connect_one(editor: Person):
    page = editor.get("/destinations").text

    assert "No account yet" in page
    assert CALLBACK_PATH in page  # the address to register
    assert "MAILCHIMP_CLIENT_ID" in page


def test_an_account_shows_its_state_login_and_audiences(viewer: Person, session, engine):
    add_office(session)
    session.commit()
    run_sql(
        engine, """UPDATE destinations SET account = '{"name": "Friends of the house"}', login = 'oauth'"""
    )

    page = viewer.get("/destinations").text

    for expected in ("Friends of the house", "Ready", "signing in at Mailchimp", "Newsletter"):
        assert expected in page


def test_a_refused_key_is_one_alert_with_the_next_step(viewer: Person, session, engine):
    add_office(session)
    session.commit()
    run_sql(
        engine,
        "UPDATE destinations SET paused_at = now(), paused_code = 'credentials', paused_reason = 'The key was refused.'",
    )

    page = viewer.get("/destinations").text

    assert "Paused" in page
    assert "The key was refused." in page
    assert "Give another key, or connect the account again." in page


def test_an_account_that_answers_says_its_name(editor: Person, house: Office, audited):
    house.execute("UPDATE destinations SET account = '{}'")

    answer = editor.post("/destinations/simulator/check", follow_redirects=True)

    assert "answers." in answer.text
    assert house.execute("SELECT account ->> 'name' FROM destinations") == [("Muster's own Mailchimp",)]
    assert [("editor@office.example", "destination.check", "destination:simulator")] == audited()


def test_an_account_that_does_not_answer_is_told_at_its_form(
    editor: Person, house: Office, simulator: Simulator
):
    key = simulator.running.config.api_key
    simulator.call("POST", "/accounts", {"api_key": key, "is_revoked": True})

    answer = editor.post("/destinations/simulator/check")

    assert (422, True) == (answer.status_code, "Mailchimp refused it" in answer.text)


def test_the_key_of_the_simulator_is_not_changed_here(editor: Person, house: Office):
    page = editor.get("/destinations").text
    answer = editor.post("/destinations/simulator/key", data={"api_key": "x-us1"})

    assert "Nothing leaves this machine." in page
    assert (422, True) == (answer.status_code, "gets its key from the settings" in answer.text)


def test_an_account_is_connected_by_its_key_and_given_another(
    editor: Person, engine, box, *, host, simulator, audited
):
    key = simulator.running.config.api_key

    added = editor.post("/destinations/add", data={"slug": "friends", "api_key": key}, follow_redirects=True)
    again = editor.post("/destinations/friends/key", data={"api_key": f" {key} "}, follow_redirects=True)

    assert "friends is connected." in added.text
    assert "Mailchimp takes the key." in again.text
    assert key not in added.text + again.text
    sealed = run_sql(engine, "SELECT sealed_key FROM destinations")[0][0]
    assert key == box.open(sealed, binding("friends"))
    assert ["destination.connect", "destination.reconnect"] == [action for _, action, _ in audited()]


@pytest.mark.parametrize(("data", "problem"), [
    ({"slug": "friends", "api_key": "0" * 32 + "-us9"}, "Mailchimp does not take this key"),
    ({"slug": "Not A Slug", "api_key": "x"}, "is no name for an account"),
])  # fmt: skip
def test_a_wrong_key_or_name_is_refused_at_its_form(editor: Person, engine, host, data, problem):
    answer = editor.post("/destinations/add", data=data)

    assert (422, True) == (answer.status_code, problem in answer.text)
    assert data["api_key"] == "x" or data["api_key"] not in answer.text
    assert [] == run_sql(engine, "SELECT 1 FROM destinations")


@pytest.mark.parametrize("path", ["/destinations/add", "/destinations/friends/key"])
def test_a_key_that_could_not_be_tried_is_not_called_refused(
    editor: Person, engine, host, *, simulator: Simulator, path
):
    form = {"slug": "friends", "api_key": simulator.running.config.api_key}
    if path.endswith("key"):
        editor.post("/destinations/add", data=form)
    before = run_sql(engine, "SELECT slug, sealed_key FROM destinations")
    simulator.call("POST", "/faults", {"kind": "503", "path": "^/3.0"})

    answer = editor.post(path, data=form)

    assert (422, True) == (answer.status_code, "nothing was stored" in answer.text)
    assert [False] * 2 == [words in answer.text for words in ("does not take this key", "by itself")]
    assert before == run_sql(engine, "SELECT slug, sealed_key FROM destinations")


def test_a_key_for_nobody_is_no_such_page(editor: Person):
    assert 404 == editor.post("/destinations/nobody/key", data={"api_key": "x"}).status_code


def test_signing_in_at_mailchimp_connects_an_account(editor: Person, engine, box, host, audited):
    state = begin(editor)

    answer = editor.get(f"{CALLBACK_PATH}?state={state}&code=the-code", follow_redirects=True)

    assert "friends is connected." in answer.text
    login, sealed = run_sql(engine, "SELECT login, sealed_key FROM destinations")[0]
    assert ("oauth", host.token) == (login, box.open(sealed, binding("friends")))
    assert [("editor@office.example", "destination.connect", "destination:friends")] == audited()


def test_the_page_that_leads_on_needs_no_script(editor: Person, host):
    page = editor.post("/destinations/connect", data={"slug": "friends"}).text

    assert '<meta http-equiv="refresh" content="1; url=' in page
    assert "<script" not in page


def test_a_state_works_for_whoever_began(editor: Person, sign_in, engine, host):
    state = begin(editor)

    answer = sign_in("admin").get(f"{CALLBACK_PATH}?state={state}&code=the-code")

    assert (422, True) == (answer.status_code, "was not begun here" in answer.text)
    assert [] == run_sql(engine, "SELECT 1 FROM destinations")


@pytest.mark.parametrize("query", ["", "?state=made-up&code=x", "?error=access_denied"])
def test_a_return_that_nobody_began_is_refused(editor: Person, host, query: str):
    answer = editor.get(CALLBACK_PATH + query)

    assert (422, True) == (answer.status_code, "was not begun here" in answer.text)


def test_somebody_who_does_not_allow_it_is_told_so(editor: Person, host):
    answer = editor.get(f"{CALLBACK_PATH}?state={begin(editor)}&error=access_denied")

    assert (422, True) == (answer.status_code, "did not allow the connection" in answer.text)


def test_without_a_registered_app_the_form_says_what_is_missing(editor: Person):
    answer = editor.post("/destinations/connect", data={"slug": "friends"})

    assert (422, True) == (answer.status_code, "no registered Mailchimp app" in answer.text)


def test_viewers_change_nothing(viewer: Person, house: Office):
    page = viewer.get("/destinations").text
    paths = (
        "/destinations/connect",
        "/destinations/add",
        "/destinations/simulator/key",
        "/destinations/simulator/check",
    )

    assert "api_key" not in page
    assert [403] * 4 == [viewer.post(path).status_code for path in paths]
    assert 403 == viewer.get(CALLBACK_PATH).status_code
