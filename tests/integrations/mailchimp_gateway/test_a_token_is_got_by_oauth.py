"""OAuth 2 with Mailchimp: the address to go to, the token for a code, and every way in which it can be refused."""

import socket
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.oauth import LOGIN_URL, OAuthClient, authorize_url, exchange_code, read_metadata
from integrations.mailchimp.problems import MailchimpProblem
from tests.kit.login_host import LoginHost

TOKEN = "f" * 32


@pytest.fixture
def host(simulator):
    with LoginHost(simulator.config.api_key, simulator.origin) as host:
        yield host


@pytest.fixture
def client(host):
    return OAuthClient("the-id", host.secret, "https://crm.house.test/connect", host.url)


def _problem(call) -> MailchimpProblem:
    with pytest.raises(MailchimpProblem) as caught:
        call()
    return caught.value


def test_the_admin_is_sent_to_mailchimp_with_everything_but_the_secret():
    client = OAuthClient("the-id", "hush", "https://crm.house.test/a?b=1", LOGIN_URL)

    url = urlsplit(authorize_url(client, "x&y=z"))

    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://login.mailchimp.com/oauth2/authorize"
    assert {name: values[0] for name, values in parse_qs(url.query).items()} == {
        "response_type": "code",
        "client_id": "the-id",
        "redirect_uri": "https://crm.house.test/a?b=1",
        "state": "x&y=z",
    }
    assert "hush" not in f"{url} {client}"


def test_a_code_becomes_a_token_that_opens_the_account(host, client, simulator):
    token = exchange_code(client, "the-code")

    assert (token.base_url, token.data_centre, token.account_name) == (simulator.url, "us3", "House")
    assert host.forms == [
        {
            "grant_type": "authorization_code",
            "client_id": "the-id",
            "client_secret": "the-secret",
            "redirect_uri": "https://crm.house.test/connect",
            "code": "the-code",
        }
    ]
    assert token.access_token not in repr(token)
    gateway = Gateway(token.base_url, token.access_token, login="oauth")
    assert gateway.ping() == "Everything's Chimpy!"


def test_a_code_works_once(client):
    exchange_code(client, "the-code")

    problem = _problem(lambda: exchange_code(client, "the-code"))

    assert (problem.kind, problem.status, problem.title) == ("login_refused", 400, "invalid_grant")


def test_a_bad_token_is_known_by_the_missing_endpoint_not_by_the_status(client):
    problem = _problem(lambda: read_metadata(client, "wrong"))

    assert (problem.kind, problem.status) == ("login_refused", 200)
    assert "wrong" not in f"{problem!r} {problem}"


@pytest.mark.parametrize(
    ("path", "reply", "kind"),
    [
        ("/oauth2/token", (200, b""), "bad_answer"),
        ("/oauth2/token", (200, b"<html>"), "bad_answer"),
        ("/oauth2/token", (200, b"{}"), "login_refused"),
        ("/oauth2/token", (500, b"oops"), "outage"),
        ("/oauth2/token", (429, b""), "throttled"),
        ("/oauth2/token", (429, b'{"title": "Too Many Requests", "status": 429}'), "throttled"),
        ("/oauth2/token", (403, b'{"title": "Forbidden"}'), "throttled"),
        ("/oauth2/token", (503, b'{"error": "x"}'), "outage"),
        ("/oauth2/token", (401, b'{"error": "invalid_client"}'), "login_refused"),
        ("/oauth2/token", (302, b""), "bad_answer"),
        ("/oauth2/metadata", (503, b""), "outage"),
        ("/oauth2/metadata", (200, b'{"api_endpoint": null}'), "login_refused"),
        ("/oauth2/metadata", (200, b'{"api_endpoint": "http://us3.api.mailchimp.com"}'), "bad_answer"),
        ("/oauth2/metadata", (200, b'{"api_endpoint": "https://mailchimp.evil.test"}'), "bad_answer"),
        ("/oauth2/metadata", (200, b'{"api_endpoint": "https://evilapi.mailchimp.com"}'), "bad_answer"),
    ],
)
def test_nothing_but_a_whole_answer_connects(host, client, path, reply, kind):
    host.replies[path] = reply

    assert kind == _problem(lambda: exchange_code(client, "the-code")).kind


@pytest.mark.parametrize("host_name", ["us3.api.mailchimp.com", "api.mailchimp.com"])
def test_an_account_is_at_its_data_centre_or_at_the_host_of_all(host, client, host_name):
    host.replies["/oauth2/metadata"] = (200, f'{{"api_endpoint": "https://{host_name}"}}'.encode())

    assert f"https://{host_name}/3.0" == read_metadata(client, TOKEN).base_url


def test_mailchimps_login_cannot_send_the_token_to_this_machine(host, client):
    host.replies["/oauth2/metadata"] = (200, b'{"api_endpoint": "http://127.0.0.1:9"}')

    assert read_metadata(client, TOKEN).base_url == "http://127.0.0.1:9/3.0"  # a simulator's login may
    with pytest.raises(ValueError, match="https"):
        read_metadata(replace(client, login_url="http://login.mailchimp.com"), TOKEN)


def test_a_login_host_that_never_answers_does_not_hold_us_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = OAuthClient("i", "s", "https://x.test", f"http://127.0.0.1:{silent.getsockname()[1]}")

        problem = _problem(lambda: exchange_code(client, "c", 0.3))

    assert problem.kind == "unknown_outcome"


def test_a_token_is_shown_as_bearer_and_a_key_as_a_password(simulator):
    seen = []
    handler = simulator.server.RequestHandlerClass
    inner = handler.application

    def watch(environ, start_response):
        seen.append(environ["HTTP_AUTHORIZATION"].split(" ")[0])
        return inner(environ, start_response)

    handler.application = staticmethod(watch)
    for login in ("oauth", "api_key"):
        Gateway(simulator.url, simulator.config.api_key, login=login).ping()

    assert seen == ["Bearer", "Basic"]


def test_a_working_token_that_is_refused_was_withdrawn(simulator):
    kinds = [
        _problem(Gateway(simulator.url, f"{TOKEN}-us1", login=login).ping) for login in ("oauth", "api_key")
    ]

    assert [(problem.kind, problem.action) for problem in kinds] == [
        ("revoked", "pause"),
        ("credentials", "pause"),
    ]
    assert "Connect the account again" in kinds[0].sentence
