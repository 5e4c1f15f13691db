"""The journal of every API request: what was asked, for whom, what was answered, and whether it would subscribe."""

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

# A batch leaves 500 notes; entries go, the oldest first, before their notes fill the memory.
KEPT_NOTES = 500_000


@dataclass(slots=True)
class Note:
    """What a request wanted for one address.

    is_subscribing: it asked for `subscribed` - outright, or by status_if_new for somebody who was not a member.
    outcome: created, updated, unchanged, or the title of the refusal.
    """

    email: str
    asked_status: str | None
    is_subscribing: bool
    outcome: str
    list_id: str = ""


@dataclass(slots=True)
class Entry:
    """One request. `status` is what the client saw (0: nothing, the connection was cut)."""

    number: int
    at: int
    method: str
    path: str
    query: str
    resource: str = ""  # the path with names for ids
    status: int = 0
    is_applied: bool = False
    fault: str = ""
    seconds: float = 0.0
    in_flight: int = 0
    notes: list[Note] = field(default_factory=list)
    violation: str = ""  # filled by a test that checks against the official definition


class Journal:
    """The last entries, and counts over all of them."""

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=size)
        self._number = 0
        self._note_count = 0
        self._counts: Counter[str] = Counter()

    def open(self, at: int, method: str, path: str, query: str) -> Entry:
        with self._lock:
            self._number += 1
            entry = Entry(self._number, at, method, path, query)
            if len(self._entries) == self._entries.maxlen:
                self._note_count -= len(self._entries[0].notes)
            self._entries.append(entry)
        return entry

    def close(self, entry: Entry) -> None:
        with self._lock:
            self._counts["calls"] += 1
            self._counts[f"{entry.method} {entry.resource or entry.path}"] += 1
            self._counts[f"status {entry.status}"] += 1
            if entry.fault:
                self._counts[f"fault {entry.fault}"] += 1
            self._counts["subscribing"] += sum([note.is_subscribing for note in entry.notes])
            self._note_count += len(entry.notes)
            while self._note_count > KEPT_NOTES and self._entries[0] is not entry:
                self._note_count -= len(self._entries.popleft().notes)

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def entries(
        self, since: int = 0, email: str = "", limit: int = 1000, *, is_subscribing: bool = False
    ) -> list[dict[str, Any]]:
        """Entries numbered above `since`; with `email` or `is_subscribing`, only those with such a note."""
        with self._lock:
            snapshot = list(self._entries)
        wanted = email.strip().casefold()

        def fits(entry: Entry) -> bool:
            if not wanted and not is_subscribing:
                return True
            return any(
                (not wanted or note.email.casefold() == wanted)
                and (note.is_subscribing or not is_subscribing)
                for note in entry.notes
            )

        found = (asdict(entry) for entry in snapshot if entry.number > since and fits(entry))
        return list(islice(found, limit))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._note_count = 0
            self._counts.clear()
