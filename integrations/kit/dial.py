"""Connections that go only where they may: public addresses, looked up once, cut off at a deadline.

requests alone cannot promise this: its timeouts are per read, and it looks the name up again when it connects.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: how IPv4 hosts look from networks that have IPv6 only

Resolve = Callable[[str, int], list[str]]


class Deadline:
    """The end of one call: a moment on the monotonic clock, and the sockets to cut when it comes."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []

    def seconds_left(self) -> float:
        """Seconds until the end, at least a millisecond (a zero timeout would mean "do not block")."""
        return max(0.001, self._ends_at - time.monotonic())

    def has_passed(self) -> bool:
        """Whether the end has come."""
        return time.monotonic() >= self._ends_at

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection at the end, whatever it is doing then.

        A duplicate is kept because TLS takes the original over; shutting the duplicate down ends the connection.
        """
        self._sockets.append(connection.dup())
        if self.has_passed():
            self._cut()

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Within the block, a timer cuts the watched connections at the end."""
        timer = threading.Timer(self.seconds_left(), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            for connection in self._sockets:
                connection.close()

    def _cut(self) -> None:
        for connection in list(self._sockets):
            with suppress(OSError):  # the other side was quicker
                connection.shutdown(socket.SHUT_RDWR)


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def look_up_within(resolve: Resolve, host: str, port: int, seconds: float) -> list[str]:
    """`resolve`, given up after `seconds` (the system's resolver knows no timeout; its thread ends by itself)."""
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the name was not looked up in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def connect(addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
    """A watched connection to the first of the addresses that listens."""
    failure = OSError("no address answers")
    for address in addresses:
        try:
            connection = socket.create_connection((address, port), timeout=deadline.seconds_left())
        except OSError as error:
            failure = error
            continue
        deadline.watch(connection)
        return connection
    raise failure


def is_allowed(address: str, *, is_loopback_allowed: bool) -> bool:
    """Whether we may connect there: only addresses of the public internet, or only this machine for a stand-in."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    parsed = _inner(parsed)
    if is_loopback_allowed:
        return parsed.is_loopback
    return parsed.is_global and not parsed.is_multicast


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one, where that is what the packets reach in the end."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


class PinnedAdapter(HTTPAdapter):
    """A requests adapter whose connections are made by `dial` instead of by host name."""

    def __init__(self, dial: Callable[[], socket.socket]) -> None:
        self._dial = dial
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use pools of connections that ask `dial` for their socket; TLS still checks the real host name."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._dial)


def _pools(dial: Callable[[], socket.socket]) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return dial()

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return dial()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
