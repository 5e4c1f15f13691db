"""One deadline for a whole call, whatever the other side does: connect, take the request, answer, or none of it."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest
import urllib3

from integrations.mailchimp.door import DEADLINE_SECONDS
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.simulator.faults import Rule
from integrations.mailchimp.slots import LocalSlots

ADA = "ada@lovelace.test"
SECONDS = 0.6


def _ends(call) -> tuple[str, float]:
    """How the call ended, and after how long."""
    started = time.monotonic()
    with pytest.raises(MailchimpProblem) as caught:
        call()
    return caught.value.kind, time.monotonic() - started


def _gateway(port: int, **more: float) -> Gateway:
    return Gateway(f"http://127.0.0.1:{port}/3.0", "k-us1", **{"deadline_seconds": SECONDS, **more})


@contextlib.contextmanager
def _listener(answer=None, backlog: int = 8) -> Iterator[int]:
    """A server that accepts and then does what `answer` does with the connection (nothing, without it)."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        kept = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    kept.append(connection)
                    if answer:
                        threading.Thread(target=answer, args=(connection,), daemon=True).start()

        taker = threading.Thread(target=accept, daemon=True)
        if answer is not False:
            taker.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        if answer is not False:
            taker.join(5)  # one more may be taken until then
        for connection in kept:
            connection.close()


def _trickle(connection: socket.socket) -> None:
    """A sound answer, a byte at a time."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 300\r\n\r\n" + b" " * 300
    with contextlib.suppress(OSError):
        for byte in answer:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)


def test_a_single_call_has_ten_seconds_at_most_by_default():
    assert DEADLINE_SECONDS <= 10


@pytest.mark.parametrize("answer", [None, _trickle])
def test_a_server_that_never_ends_its_answer_is_left(answer):
    with _listener(answer) as port:
        kind, seconds = _ends(_gateway(port).ping)

    assert kind == "unknown_outcome"
    assert seconds < SECONDS + 0.7


def test_a_server_that_never_takes_the_request_is_left():
    members = [
        {
            "email_address": f"p{n}@house.test",
            "status_if_new": "subscribed",
            "merge_fields": {"X": "x" * 40_000},
        }
        for n in range(400)
    ]
    with _listener() as port:
        gateway = _gateway(port, bulk_deadline_seconds=SECONDS)
        kind, seconds = _ends(lambda: gateway.push_members("a", members))

    assert kind == "unknown_outcome"
    assert seconds < SECONDS + 1.5


def test_a_server_that_does_not_let_us_connect_is_left():
    with _listener(answer=False, backlog=0) as port:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # they fill the queue of connections, so the next SYN stays unanswered
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        kind, seconds = _ends(_gateway(port).ping)
        for one in waiting:
            one.close()

    assert kind == "outage"
    assert seconds < SECONDS + 0.7


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_batch_that_hangs_ends_at_the_deadline_of_batches(simulator, list_id, fault):
    simulator.world.faults.add(Rule(kind=fault, seconds=20))
    gateway = Gateway(
        simulator.url, simulator.config.api_key, deadline_seconds=30, bulk_deadline_seconds=SECONDS
    )

    kind, seconds = _ends(
        lambda: gateway.push_members(list_id, [{"email_address": ADA, "status_if_new": "subscribed"}])
    )

    assert kind == "unknown_outcome"
    assert seconds < SECONDS + 0.7


def test_waiting_for_a_connection_is_part_of_the_deadline(simulator):
    slots = LocalSlots(1)
    gateway = Gateway(simulator.url, simulator.config.api_key, slots, deadline_seconds=SECONDS)

    with slots.hold(1, 1):
        kind, seconds = _ends(gateway.ping)

    assert kind == "throttled"
    assert seconds < SECONDS


def test_the_addresses_of_a_host_share_the_deadline(monkeypatch):
    """Six that a firewall drops are left after one deadline, not after six."""

    def resolve(host, port, *_args, **_more):
        names = [f"127.9.9.{number}" for number in range(1, 7)] if host.endswith("mailchimp.com") else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in names]

    class Dropped(socket.socket):
        def connect(self, _address):
            time.sleep(self.gettimeout())
            raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "socket", Dropped)
    kind, seconds = _ends(
        Gateway("https://us1.api.mailchimp.com/3.0", "k-us1", deadline_seconds=SECONDS).ping
    )

    assert kind == "outage"
    assert seconds < 2 * SECONDS


def test_another_address_is_tried_where_the_first_refuses_and_tls_asks_for_the_name(monkeypatch):
    asked = []

    def wrap(**more):
        asked.append((more["sock"].getpeername()[0], more["server_hostname"]))
        raise ssl.SSLError("as far as this goes")

    with _listener() as port:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in ("127.9.9.9", "127.0.0.1")
        ]
        original = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: found if host == "h.test" else original(host, *rest, **more),
        )
        monkeypatch.setattr(urllib3.connection, "ssl_wrap_socket", wrap)

        kind, _seconds = _ends(Gateway(f"https://h.test:{port}/3.0", "k-us1", deadline_seconds=SECONDS).ping)

    assert kind == "outage"
    assert asked[0] == ("127.0.0.1", "h.test")
