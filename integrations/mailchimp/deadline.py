"""One deadline for a whole call: every read from the socket gets only the time that is left.

requests and urllib3 bound each read; a server that sends a byte now and then holds such a caller for ever.
"""

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager
from urllib3.util.retry import Retry

LEAST_SECONDS = 0.001  # zero would mean a socket that does not wait at all
CONNECT_RETRY_SECONDS = 0.2


class Deadline(threading.local):
    """When this thread's current call must be over, by the monotonic clock."""

    at: float = 0.0

    def start(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self) -> float:
        return self.at - time.monotonic()


class _BoundedRead(io.RawIOBase):
    """A socket's reading end whose every read is cut at the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._sock, self._deadline = sock, deadline
        self._inner = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline.left()
        if left <= 0:
            raise TimeoutError("the call's deadline is over")
        self._sock.settimeout(left)
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()


def _bound(connection: HTTPConnection, deadline: Deadline) -> None:
    """Give connecting (each try of it) and sending only the time that is left.

    A pooled socket still has the time-out of the last read of the call before, which may have been a few milliseconds.
    """
    left = max(deadline.left(), LEAST_SECONDS)
    allowed = connection.timeout
    connection.timeout = min(allowed, left) if isinstance(allowed, (int, float)) else left
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _connect(
    connection: HTTPConnection, deadline: Deadline, connect: Callable[[], socket.socket]
) -> socket.socket:
    """Try the host's addresses one by one, within the time that is left for all of them.

    urllib3 gives each address the whole time; a host of six that a firewall drops took six times the deadline. The name
    goes back before TLS begins, which asks for it and checks the certificate by it.
    """
    name = connection._dns_host  # noqa: SLF001 - what urllib3 connects to, apart from `host`, which it says
    try:
        found = socket.getaddrinfo(name.strip("[]"), connection.port, type=socket.SOCK_STREAM)
    except socket.gaierror as problem:
        raise NameResolutionError(connection.host, connection, problem) from problem
    failed: Exception | None = None
    for address in dict.fromkeys(str(one[4][0]) for one in found):
        if failed is not None and deadline.left() <= 0:
            break
        _bound(connection, deadline)
        connection._dns_host = address  # noqa: SLF001
        try:
            return connect()
        except (ConnectTimeoutError, NewConnectionError) as problem:
            failed = problem
        finally:
            connection._dns_host = name  # noqa: SLF001
    raise failed or NewConnectionError(connection, "The host has no address.")


def bounded_adapter(deadline: Deadline, pool_size: int, connect_retry_count: int = 2) -> HTTPAdapter:
    """An adapter for requests: pooled, retrying only to connect, reading only until the deadline."""

    class BoundedAnswer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp.close()
            self.fp = io.BufferedReader(_BoundedRead(sock, deadline))

    class PlainConnection(HTTPConnection):
        response_class = BoundedAnswer

        def _new_conn(self) -> socket.socket:
            return _connect(self, deadline, super()._new_conn)

        def request(self, *args: Any, **kwargs: Any) -> None:
            _bound(self, deadline)
            super().request(*args, **kwargs)

    class SecureConnection(HTTPSConnection):
        response_class = BoundedAnswer

        def _new_conn(self) -> socket.socket:
            return _connect(self, deadline, super()._new_conn)

        def request(self, *args: Any, **kwargs: Any) -> None:
            _bound(self, deadline)
            super().request(*args, **kwargs)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = PlainConnection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    class BoundedAdapter(HTTPAdapter):
        def init_poolmanager(
            self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
        ) -> None:
            self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    retry = Retry(
        total=None,
        connect=connect_retry_count,
        read=0,
        redirect=0,
        status=0,
        other=0,
        backoff_factor=CONNECT_RETRY_SECONDS,
    )
    return BoundedAdapter(pool_connections=2, pool_maxsize=pool_size, max_retries=retry)
