"""The simulator's own limit: pooled connections that post prebuilt batches and read the answers, and nothing else."""

import base64
import http.client
import json
import threading
import time
from collections import deque
from urllib.parse import urlsplit

from integrations.mailchimp.gateway import BATCH_SIZE


def batch_bodies(count: int) -> list[bytes]:
    """POST /lists/{id} bodies for `count` new members, as a push sends them."""
    members = [
        {
            "email_address": f"b{number}@house.test",
            "status_if_new": "subscribed",
            "merge_fields": {"FNAME": f"P{number}", "LNAME": "Person", "PHONE": f"+4420794{number:06}"},
        }
        for number in range(count)
    ]
    return [
        json.dumps(
            {"members": members[start : start + BATCH_SIZE], "update_existing": True, "sync_tags": False},
            separators=(",", ":"),
        ).encode()
        for start in range(0, count, BATCH_SIZE)
    ]


def post_all(origin: str, api_key: str, list_id: str, count: int, connection_count: int) -> float:
    """Seconds until every batch was answered with 200; SystemExit for any other answer."""
    waiting = deque(batch_bodies(count))
    failures: list[str] = []
    threads = [
        threading.Thread(target=_post, args=(origin, api_key, list_id, waiting, failures))
        for _ in range(connection_count)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"The bare client was refused: {failures[0]}")
    return time.perf_counter() - started


def _post(origin: str, api_key: str, list_id: str, waiting: deque[bytes], failures: list[str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=60)
    login = base64.b64encode(f"muster:{api_key}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    path = f"/3.0/lists/{list_id}?skip_merge_validation=true"
    while waiting and not failures:
        try:
            body = waiting.popleft()
        except IndexError:
            break
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            failures.append(f"HTTP {answer.status}")
    connection.close()
