"""The door against clients that do not behave: too much, too slow, too clever."""

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

LIMIT = 1024 * 1024


def test_a_body_over_the_limit_is_refused_before_it_is_read(web, hook):
    head = f"POST {hook.path} HTTP/1.1\r\nHost: h\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode()

    answer = web.raw(head)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_at_the_limit_is_taken(web, hook):
    assert hook.post(web, b"x" * LIMIT).status_code == 200


def test_a_chunked_body_over_the_limit_is_cut_while_it_is_read(web, hook):
    def pieces():
        for _ in range(40):
            yield b"x" * 65536

    try:
        status = requests.post(web.url + hook.path, pieces(), timeout=10).status_code
    except requests.ConnectionError:  # it closed while we were still sending
        status = 413

    assert status == 413


def test_a_chunked_body_is_stored_whole(web, hook, rows):
    body = b'{"text": "' + b"x" * 5000 + b'"}'

    answer = requests.post(
        web.url + hook.path, iter([body[:10], body[10:]]), headers=hook.headers(body), timeout=10
    )

    assert answer.status_code == 200
    assert [body] == [bytes(stored) for (stored,) in rows("SELECT body FROM deliveries")]


def test_a_larger_limit_of_one_source_holds_for_that_source(web, add):
    roomy, tight = add(max_body_bytes=str(3 * LIMIT)), add(max_body_bytes="100")

    assert roomy.post(web, b"x" * (2 * LIMIT)).status_code == 200
    assert tight.post(web, b"x" * 101).status_code == 413


def test_a_slow_body_is_cut(web, hook, rows):
    started = time.monotonic()

    answer = web.raw(f"POST {hook.path} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{{".encode(), 5)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 4
    assert rows("SELECT count(*) FROM deliveries") == [(0,)]


def test_two_hundred_slow_bodies_do_not_hold_up_anybody_else(web, hook):
    started = threading.Barrier(201)
    head = f"POST {hook.path} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{{".encode()

    def dawdle():
        started.wait()
        web.raw(head, 3)

    threads = [threading.Thread(target=dawdle) for _ in range(200)]
    for thread in threads:
        thread.start()
    started.wait()
    time.sleep(0.3)
    before = time.monotonic()
    statuses = [hook.post(web, b"{}").status_code for _ in range(10)]
    took = time.monotonic() - before
    for thread in threads:
        thread.join()

    assert statuses == [200] * 10
    assert took < 2.5


def test_only_a_signature_that_stands_once_counts(web, hook):
    headers = hook.headers(b"{}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    sent = f"POST {hook.path} HTTP/1.1\r\nHost: h\r\n{lines}webhook-signature: v1,AAAA\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"

    assert web.raw(sent.encode()).startswith(b"HTTP/1.1 401 ")


def test_bytes_in_a_signature_are_401(web, hook):
    sent = (
        f"POST {hook.path} HTTP/1.1\r\nHost: h\r\nwebhook-id: m\r\nwebhook-timestamp: 1\r\n".encode()
        + b"webhook-signature: v1,\xff\xfe\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    )

    assert web.raw(sent).startswith(b"HTTP/1.1 401 ")


@pytest.mark.shared
def test_no_request_of_the_corpus_is_a_fault_of_ours(web, hook, shared):
    lines = (shared / "corpora" / "http-raw.jsonl").read_text(encoding="utf-8").splitlines()

    def find_fault(line):
        entry = json.loads(line)
        sent = base64.b64decode(entry["b64"]) if "b64" in entry else entry["text"].encode("latin-1")
        sent = sent.replace(b"/hooks/t ", f"{hook.path} ".encode()).replace(
            b"/hooks/t?", f"{hook.path}?".encode()
        )
        answer = web.raw(sent, 1.6)
        statuses = [line.split(b" ")[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]
        final = [status for status in statuses if status != b"100"]
        if any(status.startswith(b"5") for status in final) or len(final) > 1 or b"200" in final:
            return entry["id"], answer[:200]
        is_next_answered = hook.post(web, b"{}").status_code == 200
        return None if is_next_answered else (entry["id"], b"the next request was not answered")

    with ThreadPoolExecutor(8) as threads:
        faults = list(filter(None, threads.map(find_fault, lines)))

    assert faults == []


def test_the_console_behind_the_door_gets_its_requests(web):
    posted = requests.post(f"{web.url}/echo?a=1&b=2", b"x" * 100_000, timeout=10).json()
    streamed = requests.get(f"{web.url}/stream", timeout=10).content

    assert posted == {"method": "POST", "query": "a=1&b=2", "size": 100_000}
    assert len(streamed) == 3_000_000


def test_health_says_that_process_database_and_redis_are_there(web):
    assert requests.get(f"{web.url}/healthz", timeout=10).status_code == 200
    assert requests.get(f"{web.url}/readyz", timeout=10).text == "database: ok\nredis: ok\n"
