"""Reading a body in the event loop: bounded in size before and while it is read, bounded in time, bounded in sum."""

import asyncio
from collections.abc import Iterable
from typing import Any

from granian.rsgi import ProtocolClosed, ProtocolError  # type: ignore[attr-defined]

SMALL_BYTES = 64 * 1024
LARGE_BYTES_TOGETHER = 64 * 1024 * 1024  # of bodies above SMALL_BYTES that are read at one time in a process


class ReadFailed(Exception):  # noqa: N818 - it says what happened
    """The body is not to be had; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BodyReader:
    """Reads bodies of RSGI requests; one for each kind of request and process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._large_bytes = 0

    async def read(self, proto: Any, headers: Iterable[tuple[str, str]], limit: int) -> bytes:
        """The whole body. ReadFailed 413 (too large), 408 (too slow or broken off), 503 (too many large ones)."""
        length, is_chunked = _announced(headers)
        if length == 0 and not is_chunked:
            return b""
        if length > limit:
            raise ReadFailed(413)
        held = 0 if 0 < length <= SMALL_BYTES else limit if is_chunked else length
        if self._large_bytes + held > LARGE_BYTES_TOGETHER:
            raise ReadFailed(503)
        self._large_bytes += held
        try:
            async with asyncio.timeout(self._seconds):
                return await (_read_pieces(proto, limit) if is_chunked else proto())
        except (TimeoutError, ProtocolClosed, ProtocolError):
            raise ReadFailed(408) from None
        finally:
            self._large_bytes -= held


def _announced(headers: Iterable[tuple[str, str]]) -> tuple[int, bool]:
    """Content-Length (0 when absent) and whether the body comes in chunks instead."""
    length = 0
    is_chunked = False
    for name, value in headers:
        if name == "content-length":
            length = int(value) if value.isdecimal() and len(value) < 20 else 2**63  # noqa: PLR2004 - digits of 2**63
        elif name == "transfer-encoding":
            is_chunked = True
    return length, is_chunked


async def _read_pieces(proto: Any, limit: int) -> bytes:
    body = bytearray()
    async for piece in proto:
        body += piece
        if len(body) > limit:
            raise ReadFailed(413)
    return bytes(body)
