"""The corpus of bad signatures, for the two ways of signing that are built."""

import base64
import hashlib
import hmac
import time

import pytest
import requests

from app.core.db import transaction
from app.sources.configure import rotate_secret

APP_SECRET = "0123456789abcdef0123456789abcdef"
BODY = b'{"object": "page", "entry": []}'


def _sha256(secret=APP_SECRET, body=BODY):
    return hmac.new(secret.encode(), body, hashlib.sha256)


META = {
    "absent": None,
    "empty": "sha256=",
    "upper": "SHA256=" + _sha256().hexdigest(),
    "sha1-only": "sha1=" + hmac.new(APP_SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
    "base64": "sha256=" + base64.b64encode(_sha256().digest()).decode(),
    "wrong-secret": "sha256=" + _sha256("another source's secret").hexdigest(),
    "empty-secret": "sha256=" + _sha256("").hexdigest(),
    "other-body": "sha256=" + _sha256(body=b"{}").hexdigest(),
}


def _post(web, hook, headers):
    return requests.post(web.url + hook.path, BODY, headers=headers, timeout=10).status_code


def test_the_right_meta_signature_is_taken(web, add):
    hook = add("meta_leads", app_secret=APP_SECRET)

    assert _post(web, hook, {"x-hub-signature-256": "sha256=" + _sha256().hexdigest()}) == 200


@pytest.mark.parametrize("name", META)
def test_a_bad_meta_signature_is_401(web, add, rows, name):
    hook = add("meta_leads", app_secret=APP_SECRET)

    status = _post(web, hook, {} if META[name] is None else {"x-hub-signature-256": META[name]})

    assert status == 401
    assert rows("SELECT count(*) FROM deliveries") == [(0,)]


def test_a_timestamp_of_six_minutes_ago_is_401(web, hook):
    assert hook.post(web, BODY, at=time.time() - 360).status_code == 401


def test_v1a_is_no_other_name_for_v1(web, hook):
    headers = hook.headers(BODY)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")

    assert _post(web, hook, headers) == 401


def test_a_secret_of_another_source_opens_nothing(web, add):
    mine, other = add(), add()

    assert _post(web, mine, other.headers(BODY)) == 401


def test_while_a_secret_is_rotated_both_are_taken(web, add, sessions, box):
    hook = add()
    with transaction(sessions) as session:
        new = rotate_secret(session, box, hook.slug, grace_seconds=2.0).secret
    rotated = type(hook)(hook.slug, hook.path, new)
    both = rotated.headers(BODY, message="m")
    both["webhook-signature"] = (
        hook.headers(BODY, message="m")["webhook-signature"] + " " + both["webhook-signature"]
    )
    _wait_until(lambda: rotated.post(web, BODY).status_code == 200)

    assert _post(web, hook, hook.headers(BODY)) == 200
    assert _post(web, hook, both) == 200
    _wait_until(lambda: hook.post(web, BODY).status_code == 401)
    assert rotated.post(web, BODY).status_code == 200


def _wait_until(is_true, seconds=6.0):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)
