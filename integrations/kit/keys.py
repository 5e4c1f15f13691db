"""How two things are seen to be the same: one digest of a JSON value, whatever order its names stand in."""

import hashlib
import json
from typing import Any


def digest_of(value: Any) -> str:
    """SHA-256 in hex of the value as canonical JSON (sorted names, no spaces, UTF-8)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def digest_of_bytes(body: bytes) -> str:
    """SHA-256 in hex of the bytes."""
    return hashlib.sha256(body).hexdigest()
