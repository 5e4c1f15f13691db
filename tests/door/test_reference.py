"""The same door behind any WSGI server: nothing accepted is cut short or lost."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.sources.configure import add_source
from app.web.door import open_door
from app.web.hooks import make_hooks_blueprint

FORM = b"name=Ana&email=ana%40mail.example"


@pytest.fixture
def hook(sessions, settings, box) -> str:
    with sessions.begin() as session:
        return add_source(session, box, "website", "form", {}).hook_path


@pytest.fixture
def client(hook, settings) -> Iterator[FlaskClient]:
    door = open_door(settings)
    app = Flask("reference")
    app.register_blueprint(make_hooks_blueprint(door))
    yield app.test_client()
    door.close()


def post(client: FlaskClient, hook: str, body: bytes, **environ):
    return client.post(
        hook, data=body, content_type="application/x-www-form-urlencoded", environ_overrides=environ
    )


def stored(sessions) -> list[bytes]:
    with sessions() as session:
        return [bytes(row.body) for row in session.execute(text("SELECT body FROM deliveries ORDER BY id"))]


def test_a_form_is_stored_with_its_bytes(client, hook, sessions):
    answer = post(client, hook, FORM)

    assert 200 == answer.status_code
    assert [FORM] == stored(sessions)


def test_a_chunked_body_that_the_server_does_not_pass_on_is_refused(client, hook, sessions):
    overrides = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "", "wsgi.input_terminated": False}

    answer = post(client, hook, FORM, **overrides)

    assert 411 == answer.status_code
    assert [] == stored(sessions)


def test_a_body_that_was_cut_off_is_refused(client, hook, sessions):
    answer = post(client, hook, FORM, CONTENT_LENGTH=str(len(FORM) + 30), **{"wsgi.input_terminated": True})

    assert 400 == answer.status_code
    assert [] == stored(sessions)


def test_an_unknown_source_is_404_and_a_wrong_key_401(client, hook):
    assert 404 == post(client, "/hooks/nobody/key", FORM).status_code
    assert 401 == post(client, hook + "x", FORM).status_code
