"""OAuth: asked, given, followed, revoked (contract item 25)."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.config import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET

BACK = "https://muster.example/connect?from=sim"
ASKED = {"response_type": "code", "client_id": DEFAULT_CLIENT_ID, "redirect_uri": BACK, "state": "s t&1"}


def _allow(api, answer="allow", **more):
    form = {**ASKED, "answer": answer, "account": "0", **more}
    return api.client.post("/oauth2/authorize", data=form)


def _returned(answer):
    return {name: told[0] for name, told in parse_qs(urlsplit(answer.location).query).items()}


def _token(api, code, **more):
    form = {
        "grant_type": "authorization_code",
        "client_id": DEFAULT_CLIENT_ID,
        "client_secret": DEFAULT_CLIENT_SECRET,
        "redirect_uri": BACK,
        "code": code,
    }
    return api.client.post("/oauth2/token", data={**form, **more})


def _metadata(api, token):
    return api.client.get("/oauth2/metadata", headers={"Authorization": f"OAuth {token}"})


def test_the_person_is_asked_and_comes_back_with_a_code_and_the_state(api):
    page = api.client.get("/oauth2/authorize", query_string=ASKED)
    back = _allow(api)

    assert (page.status_code, 'value="allow"' in page.text) == (200, True)
    assert (back.status_code, back.location.startswith("https://muster.example/connect?from=sim&")) == (
        302,
        True,
    )
    assert _returned(back)["state"] == "s t&1"


def test_who_says_no_comes_back_with_that(api):
    found = _returned(_allow(api, "deny"))

    assert (found["error"], "code" in found) == ("access_denied", False)


@pytest.mark.parametrize(
    "wrong", [{"client_id": "x"}, {"redirect_uri": "javascript:alert(1)"}, {"response_type": "token"}]
)
def test_a_wrong_question_is_shown_here_and_not_sent_on(api, wrong):
    assert api.client.get("/oauth2/authorize", query_string={**ASKED, **wrong}).status_code == 400


def test_a_code_becomes_a_token_once(api):
    code = _returned(_allow(api))["code"]

    first, second = _token(api, code), _token(api, code)

    assert (first.json["expires_in"], first.json["scope"]) == (0, None)
    assert (second.status_code, second.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"client_secret": "x"}, "invalid_client"),
        ({"redirect_uri": "https://elsewhere.example/"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_a_token_is_only_for_whom_the_code_was_given_to(api, wrong, error):
    assert _token(api, _returned(_allow(api))["code"], **wrong).json["error"] == error


def test_a_bad_token_is_answered_200_without_an_address(api):
    answer = _metadata(api, "nonsense")

    assert (answer.status_code, "api_endpoint" in answer.json) == (200, False)


def test_a_client_can_follow_the_address_in_the_metadata(running):
    client = running.app.test_client()
    code = parse_qs(
        urlsplit(client.post("/oauth2/authorize", data={**ASKED, "answer": "allow"}).location).query
    )
    form = {"grant_type": "authorization_code", "client_id": DEFAULT_CLIENT_ID, "redirect_uri": BACK}
    form |= {"client_secret": DEFAULT_CLIENT_SECRET, "code": code["code"][0]}
    with requests.Session() as session:
        session.trust_env = False
        token = session.post(f"{running.origin}/oauth2/token", data=form, timeout=5).json()["access_token"]
        headers = {"Authorization": f"OAuth {token}"}
        found = session.get(f"{running.origin}/oauth2/metadata", headers=headers, timeout=5).json()
        headers = {"Authorization": f"Bearer {token}"}
        answer = session.get(f"{found['api_endpoint']}/3.0/ping", headers=headers, timeout=5)

    assert (found["api_endpoint"], found["dc"], answer.status_code) == (running.origin, "us1", 200)


def test_a_revoked_token_opens_nothing_any_more(api):
    token = _token(api, _returned(_allow(api))["code"]).json["access_token"]
    before = api.call("GET", "/ping", key=token).status_code
    api.sim("oauth_revoke", token=token)

    after = api.call("GET", "/ping", key=token)

    assert (before, after.status_code, after.json["title"]) == (200, 401, "API Key Invalid")
    assert "api_endpoint" not in _metadata(api, token).json
    assert api.call("GET", "/ping").status_code == 200


def test_a_token_outlives_a_restart(api):
    token = _token(api, _returned(_allow(api))["code"]).json["access_token"]
    lines = api.client.get("/_sim/snapshot").json["lines"]
    api.sim("reset")
    api.sim("snapshot", lines=lines)

    assert "api_endpoint" in _metadata(api, token).json


def test_another_application_is_registered(api):
    made = api.sim("oauth_clients", client_id="7", client_secret="s")
    code = _returned(_allow(api, client_id="7"))["code"]

    assert made == {"client_id": "7", "client_secret": "s"}
    assert _token(api, code, client_id="7", client_secret="s").status_code == 200


def test_another_site_cannot_press_allow(api):
    answer = api.client.post(
        "/oauth2/authorize", data={**ASKED, "answer": "allow"}, headers={"Origin": "https://x.example"}
    )

    assert answer.status_code == 403


def test_the_gateway_reads_a_revoked_token_as_the_end(running):
    running.app.test_client().post("/_sim/accounts", json={"is_revoked": True})
    gateway = Gateway(running.url, running.config.api_key, deadline_seconds=5)

    with pytest.raises(MailchimpProblem) as caught:
        gateway.ping()

    assert caught.value.status == 401
