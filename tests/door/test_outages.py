"""The door while its servers are away: nothing is acknowledged that is not kept, nobody is told to go for good."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import requests
from sqlalchemy import text

from app.core.db import make_engine, make_sessions
from app.core.migrate import migrate
from app.core.secretbox import open_box
from app.core.servers import running_servers

APP_SECRET = "0123456789abcdef0123456789abcdef"


def _prepare(settings, kit):
    engine = make_engine(settings.postgres_url)
    migrate(engine)
    sessions, box = make_sessions(engine), open_box(settings)
    hook = kit.add_hook(sessions, box)
    meta = kit.add_hook(sessions, box, "meta_leads", app_secret=APP_SECRET, verify_token="let-me-in")
    return engine, hook, meta


def _challenge(web, meta):
    values = {"hub.mode": "subscribe", "hub.verify_token": "let-me-in", "hub.challenge": "42"}
    return requests.get(web.url + meta.path, values, timeout=10)


def _post(hook, web, body):
    try:
        return hook.post(web, body).status_code
    except requests.RequestException:
        return 0


def _post_until_back(hook, web, seconds=10):
    end = time.monotonic() + seconds
    while (status := hook.post(web, b"{}").status_code) != 200:
        assert status == 503
        assert time.monotonic() < end
        time.sleep(0.05)


def test_without_its_servers_the_door_says_come_again_and_comes_back(own, kit, tmp_path):
    with running_servers(own):
        engine, hook, meta = _prepare(own, kit)
        # A first web process leaves the sealed snapshot behind.
        with kit.running_web(own, tmp_path / "first.log", processes=1) as web:
            assert hook.post(web, b"{}").status_code == 200
        engine.dispose()

    with kit.running_web(own, tmp_path / "second.log") as web:
        down = hook.post(web, b'{"while": "down"}')
        challenged = _challenge(web, meta)
        unknown = requests.post(f"{web.url}/hooks/nobody", b"{}", timeout=10)
        ready = requests.get(f"{web.url}/readyz", timeout=10)
        with running_servers(own):
            _post_until_back(hook, web)
            kit.wait_until(
                lambda: requests.post(f"{web.url}/hooks/nobody", b"{}", timeout=10).status_code == 404, 10
            )
            assert requests.get(f"{web.url}/readyz", timeout=10).status_code == 200

    assert (down.status_code, down.headers["retry-after"]) == (503, "5")
    assert (challenged.status_code, challenged.text) == (200, "42")
    assert unknown.status_code == 503
    assert ready.status_code == 503


def test_a_database_that_restarts_under_load_loses_nothing_acknowledged(own, kit, tmp_path):
    acknowledged = []
    with kit.running_web(own, tmp_path / "web.log") as web:
        with running_servers(own):
            engine, hook, _ = _prepare(own, kit)
            kit.wait_until(lambda: hook.post(web, b"{}").status_code == 200, 10)
            engine.dispose()
            with ThreadPoolExecutor(4) as threads:
                bodies = [b'{"n": %d}' % number for number in range(200)]
                acknowledged += [
                    b
                    for b, status in zip(
                        bodies, threads.map(lambda b: _post(hook, web, b), bodies), strict=True
                    )
                    if status == 200
                ]
            with ThreadPoolExecutor(4) as threads:
                later = [b'{"m": %d}' % number for number in range(300)]
                statuses = threads.map(lambda b: _post(hook, web, b), later)
                _kill_postmaster(own)
                answers = list(zip(later, statuses, strict=True))
        acknowledged += [body for body, status in answers if status == 200]
        with running_servers(own):
            _post_until_back(hook, web)
            with engine.connect() as connection:
                stored = {
                    bytes(body) for body in connection.execute(text("SELECT body FROM deliveries")).scalars()
                }
            engine.dispose()

    assert len(acknowledged) >= 200
    assert set(acknowledged) <= stored
    assert {status for _, status in answers} <= {200, 503}


def _kill_postmaster(settings):
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(settings.run_dir) in (process.info["cmdline"] or []):
            process.send_signal(signal.SIGKILL)


def test_a_database_that_stops_answering_is_not_waited_for(own, kit, tmp_path):
    with running_servers(own), kit.running_web(own, tmp_path / "web.log") as web:
        engine, hook, _ = _prepare(own, kit)
        kit.wait_until(lambda: hook.post(web, b"{}").status_code == 200, 10)
        engine.dispose()
        servers = _postgres_processes(own)
        for process in servers:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with ThreadPoolExecutor(8) as threads:
                statuses = set(threads.map(lambda _: hook.post(web, b"{}").status_code, range(8)))
            took = time.monotonic() - started
        finally:
            for process in servers:
                os.kill(process.pid, signal.SIGCONT)
        _post_until_back(hook, web)

    assert statuses == {503}
    assert took < 5


def _postgres_processes(settings):
    postmasters = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres" and str(settings.run_dir) in (process.info["cmdline"] or [])
    ]
    return postmasters + [child for process in postmasters for child in process.children(recursive=True)]


def test_without_redis_deliveries_are_taken_all_the_same(settings, hook, kit, tmp_path):
    deaf = replace(settings, database_url=settings.postgres_url, redis_url=f"unix://{tmp_path}/nobody.sock")

    with kit.running_web(deaf, tmp_path / "web.log", processes=1) as web:
        started = time.monotonic()
        statuses = {hook.post(web, b"{}").status_code for _ in range(20)}
        took = time.monotonic() - started
        ready = requests.get(f"{web.url}/readyz", timeout=10)

    assert statuses == {200}
    assert took < 5
    assert (ready.status_code, ready.text) == (200, "database: ok\nredis: no answer\n")


def test_workers_that_are_killed_come_back_and_the_server_leaves_none_behind(settings, hook, kit, tmp_path):
    with kit.running_web(settings, tmp_path / "web.log") as web:
        first = psutil.Process(web.process.pid).children()
        first[0].kill()
        kit.wait_until(lambda: len(_living(web)) == 2 and first[0] not in _living(web), 10)
        kit.wait_until(lambda: _post(hook, web, b"{}") == 200, 10)
        second = psutil.Process(web.process.pid).children()
        web.process.kill()
        web.process.wait()
        _, left = psutil.wait_procs(second, timeout=5)

    assert left == []


def _living(web):
    children = psutil.Process(web.process.pid).children()
    return [child for child in children if _is_living(child)]


def _is_living(child):
    try:
        return child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # gone since its parent was asked
        return False


def test_what_is_in_hand_is_finished_when_the_server_is_asked_to_stop(settings, hook, kit, rows, tmp_path):
    with kit.running_web(settings, tmp_path / "web.log") as web, ThreadPoolExecutor(4) as threads:
        posts = [threads.submit(_post, hook, web, b'{"n": %d}' % number) for number in range(200)]
        while sum(post.done() for post in posts) < 40:
            time.sleep(0.005)
        started = time.monotonic()
        web.process.send_signal(signal.SIGTERM)
        web.process.wait(10)
        took = time.monotonic() - started
        statuses = [post.result() for post in posts]

    assert took < 5
    assert set(statuses) <= {200, 503, 0}
    assert rows("SELECT count(*) FROM deliveries")[0][0] >= statuses.count(200)
