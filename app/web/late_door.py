"""A door that opens when the first platform knocks, for WSGI servers that load the application before they fork."""

import threading

from app.core.config import Settings
from app.web.answers import Answer
from app.web.door import Door, Port, RequestHead, open_door


class LateDoor(Door):
    """Behaves as the door of this process; its threads and connections begin with the first request."""

    def __init__(self, settings: Settings) -> None:  # the parts that Door holds come late
        self.settings = settings
        self._opened: Door | None = None
        self._lock = threading.Lock()

    async def attend(self, head: RequestHead, port: Port) -> Answer:
        """The answer to a request."""
        return await self._open().attend(head, port)

    def close(self) -> None:
        """Close what was opened."""
        if self._opened is not None:
            self._opened.close()

    def _open(self) -> Door:
        with self._lock:
            if self._opened is None:
                self._opened = open_door(self.settings)
            return self._opened
