"""A delivery on its way in: what is stored of it, under which key, and what became of it. Pure."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from integrations.kit.contract import DeliveryKey
from integrations.kit.strict_json import safe_text

LONGEST_KEY = 200  # characters; longer ones are cut and end in their hash, as an index entry has its limit


class Outcome(Enum):
    """What storing a delivery came to; all three are answered alike."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"  # the same key with other bytes: kept beside the first


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The key as it is stored. With a window, `earlier` and `later` are its keys in the windows beside this one."""

    value: str
    earlier: str = ""
    later: str = ""
    window_seconds: int = 0


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One row for the inbox."""

    source_id: int
    key: StoredKey
    method: str
    content_type: str
    headers: str  # JSON [[name, value], ...]
    query: str  # JSON [[name, value], ...]
    body: bytes
    body_sha256: bytes


def stored_key(key: DeliveryKey, epoch_seconds: float) -> StoredKey:
    """The key for a request that arrived at `epoch_seconds`.

    A window of time is a bucket in the key. A repeat just over the bucket's edge is found under the key beside it: the
    earlier one, or the later one where the second of two requests was the faster to be stored.
    """
    value = bounded_key(key.value)
    if not key.window_seconds:
        return StoredKey(value)
    bucket = int(epoch_seconds // key.window_seconds)
    return StoredKey(
        f"{value}@{bucket}", f"{value}@{bucket - 1}", f"{value}@{bucket + 1}", key.window_seconds
    )


def bounded_key(value: str) -> str:
    """The key as PostgreSQL can hold it; two different keys stay different."""
    safe = safe_text(value)
    if safe == value and 0 < len(value) <= LONGEST_KEY:
        return value
    digest = hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
    return f"{safe[: LONGEST_KEY - len(digest) - 1]}#{digest}"


def pairs_json(pairs: Sequence[tuple[str, str]]) -> str:
    """[[name, value], ...] for a jsonb column."""
    written = json.dumps(pairs)
    if "\\u" not in written:  # nothing but plain characters, as nearly always
        return written
    return json.dumps([[safe_text(name), safe_text(value)] for name, value in pairs])
