"""What happens to a delivery at the door, over HTTP to the real server."""

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from app.core.db import transaction
from app.sources.configure import set_enabled


def test_a_signed_delivery_is_stored_with_its_bytes(web, hook, rows):
    body = b'{"type": "signup", "data": {"email": "ada@example.test"}}'

    answer = hook.post(web, body, message="msg_1")

    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    [(key, stored, digest, headers)] = rows("SELECT key, body, body_sha256, headers FROM deliveries")
    assert (key, bytes(stored), bytes(digest)) == ("msg_1", body, hashlib.sha256(body).digest())
    assert "webhook-signature" not in dict(headers)


def test_the_same_delivery_again_changes_nothing_and_is_answered_alike(web, hook, rows):
    first = hook.post(web, b'{"n": 1}', message="msg_1")
    second = hook.post(web, b'{"n": 1}', message="msg_1")

    assert (first.status_code, second.status_code) == (200, 200)
    assert rows("SELECT key FROM deliveries") == [("msg_1",)]
    assert rows("SELECT count(*) FROM delivery_conflicts") == [(0,)]


def test_the_same_key_with_other_bytes_is_kept_as_a_conflict(web, hook, rows):
    hook.post(web, b'{"n": 1}', message="msg_1")
    answers = [hook.post(web, b'{"n": 2}', message="msg_1").status_code for _ in range(2)]

    assert answers == [200, 200]
    assert [(bytes(body),) for (body,) in rows("SELECT body FROM deliveries")] == [(b'{"n": 1}',)]
    assert [(key, bytes(body)) for key, body in rows("SELECT key, body FROM delivery_conflicts")] == [
        ("msg_1", b'{"n": 2}')
    ]


def test_a_thousand_identical_deliveries_at_once_are_one_row(web, hook, rows):
    body = b'{"n": 1}'
    headers = hook.headers(body, message="msg_1")

    def post(_):
        return requests.post(web.url + hook.path, body, headers=headers, timeout=30).status_code

    with ThreadPoolExecutor(64) as threads:
        statuses = set(threads.map(post, range(1000)))

    assert statuses == {200}
    assert rows("SELECT count(*) FROM deliveries") == [(1,)]
    assert rows("SELECT count(*) FROM delivery_conflicts") == [(0,)]


def test_a_form_posted_twice_within_minutes_is_one_delivery(web, add, rows):
    form = add("website")

    answers = [
        requests.post(web.url + form.path, {"email": "ada@example.test"}, timeout=10) for _ in range(3)
    ]

    assert {answer.status_code for answer in answers} == {200}
    [(key, query)] = rows("SELECT key, query FROM deliveries")
    assert "@" in key
    assert query == []


def test_keys_in_the_query_are_not_kept(web, add, rows):
    form = add("website")
    key = form.path.rsplit("/", 1)[1]

    answer = requests.post(
        f"{web.url}/hooks/{form.slug}?key={key}&utm_source=mail&keyword=x",
        {"email": "ada@example.test"},
        timeout=10,
    )

    assert answer.status_code == 200
    assert rows("SELECT query FROM deliveries") == [([["utm_source", "mail"], ["keyword", "x"]],)]


def test_a_wrong_signature_is_counted_and_nothing_of_it_is_kept(web, hook, rows):
    headers = {**hook.headers(b"{}"), "webhook-signature": "v1,AAAA"}

    answer = requests.post(web.url + hook.path, b"{}", headers=headers, timeout=10)

    assert answer.status_code == 401
    assert rows("SELECT count(*) FROM deliveries") == [(0,)]
    _wait_until(lambda: rows("SELECT 1 FROM rejections") != [], 5)
    [(reason, count, digest)] = rows("SELECT reason, count, last_body_sha256 FROM rejections")
    assert (reason, count) == ("signature does not match", 1)
    assert bytes(digest) == hashlib.sha256(b"{}").digest()


def test_an_unknown_source_is_404(web):
    assert requests.post(f"{web.url}/hooks/nobody", b"{}", timeout=10).status_code == 404
    assert requests.post(f"{web.url}/hooks/a/b/c", b"{}", timeout=10).status_code == 404


def test_a_source_added_a_moment_ago_works(web, add):
    for _ in range(3):
        hook = add()
        assert hook.post(web, b"{}").status_code == 200


def test_a_disabled_source_says_come_again(web, hook, sessions):
    hook.post(web, b"{}")
    with transaction(sessions) as session:
        set_enabled(session, hook.slug, is_enabled=False)

    time.sleep(2.5)  # every process looks once a second
    answer = hook.post(web, b"{}")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_a_method_the_platform_never_uses_is_405(web, hook):
    answer = requests.get(web.url + hook.path, timeout=10)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_an_encoded_body_is_415(web, hook):
    headers = {**hook.headers(b"{}"), "content-encoding": "gzip"}

    assert requests.post(web.url + hook.path, b"{}", headers=headers, timeout=10).status_code == 415


def test_a_challenge_is_answered_with_its_echo(web, add, rows):
    hook = add("meta_leads", app_secret="0123456789abcdef0123456789abcdef", verify_token="let-me-in")

    answer = requests.get(
        web.url + hook.path,
        {"hub.mode": "subscribe", "hub.verify_token": "let-me-in", "hub.challenge": "1158201444"},
        timeout=10,
    )

    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert rows("SELECT count(*) FROM deliveries") == [(0,)]


def test_what_cannot_be_parsed_is_stored_all_the_same(web, hook, rows):
    answer = hook.post(web, b"\xff\x00 not json {{{")

    assert answer.status_code == 200
    assert [(bytes(body),) for (body,) in rows("SELECT body FROM deliveries")] == [
        (b"\xff\x00 not json {{{",)
    ]


@pytest.mark.shared
@pytest.mark.parametrize("family", ["json", "body", "form"])
def test_no_body_of_the_corpus_is_lost_or_answered_with_an_error(web, hook, rows, shared, family):
    lines = (shared / "corpora" / f"{family}.jsonl").read_text(encoding="utf-8").splitlines()
    bodies = [_bytes_of(json.loads(line)) for line in lines]

    statuses = [hook.post(web, body).status_code for body in bodies]

    expected = sorted(hashlib.sha256(body).hexdigest() for body in bodies)
    stored = sorted(
        hashlib.sha256(bytes(body)).hexdigest() for (body,) in rows("SELECT body FROM deliveries")
    )
    assert {200} == set(statuses)
    assert expected == stored


def _bytes_of(entry):
    return (
        base64.b64decode(entry["b64"]) if "b64" in entry else entry["text"].encode("utf-8", "surrogatepass")
    )


def _wait_until(is_true, seconds):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)
