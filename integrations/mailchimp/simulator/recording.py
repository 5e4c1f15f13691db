"""Recorded exchanges with the real API: one JSON object a line, read as they stand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request with its answer. Of `world` are all exchanges that touch the same state."""

    method: str
    path: str  # with the query
    body: Any
    status: int
    answer: Any
    headers: Mapping[str, str]
    host: str
    world: str = ""

    @property
    def at(self) -> int:
        """When it was answered, epoch seconds; 0 where the recording does not say."""
        return int(parsedate_to_datetime(self.headers["date"]).timestamp()) if "date" in self.headers else 0

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's borders

    @property
    def parts(self) -> list[str]:
        """The path behind /3.0 without its query, part by part."""
        return [unquote(part) for part in urlsplit(self.path).path.removeprefix("/3.0").split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def told(self) -> dict[str, Any]:
        """The body that was sent, where it is an object."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def found(self) -> dict[str, Any]:
        """The answer, where it is an object."""
        return self.answer if isinstance(self.answer, dict) else {}


def read_exchanges(path: Path) -> list[Exchange]:
    return [_exchange(json.loads(line)) for line in path.read_text().splitlines() if line.strip()]


def _exchange(line: Mapping[str, Any]) -> Exchange:
    told = line.get("headers") or []
    pairs = told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=True)
    headers = {str(name).lower(): str(value) for name, value in pairs}
    return Exchange(
        method=line["method"].upper(),
        path=line["path"],
        body=line.get("body"),
        status=line["status"],
        answer=line.get("resp"),
        headers=headers,
        host=line.get("host") or "",
        world=line.get("file") or "",
    )
