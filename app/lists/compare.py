"""What a row means against the last snapshot: pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from mappings.language.patch import ContactPatch, MappingResult, Problem

Verdict = Literal["joiner", "changed", "unchanged", "invalid"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One row, mapped and compared. `problem` says why it is invalid."""

    line: int
    verdict: Verdict
    row_key: str = ""
    row_sha256: bytes = b""
    patch: ContactPatch | None = None
    problem: Problem | None = None


def row_key(patch: ContactPatch) -> str:
    """What makes a row the same person's row in the next file: an id of the institution, else an address or phone."""
    by_kind = {identity.kind: identity for identity in reversed(patch.identities)}
    ids = [kind for kind in by_kind if kind not in ("email", "phone")]
    kind = next((kind for kind in (*sorted(ids), "email", "phone") if kind in by_kind), "")
    if not kind:
        return ""
    return f"{kind}:{by_kind[kind].scope}:{by_kind[kind].value.strip().casefold()}"


def patch_sha256(patch: ContactPatch) -> bytes:
    """SHA-256 over what a patch says, so that a column that was moved or is not mapped changes nothing."""
    said = asdict(patch)
    said.pop("occurred_at")  # the time of the run, not a fact of the row
    for evidence in said["consents"]:
        evidence.pop("occurred_at")
    text = json.dumps(said, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Comparison:
    """Compares rows one after another; a key that returns within the file is the next row of that person."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def key_of(self, patch: ContactPatch) -> str:
        """The row's key in the snapshot: a second row of the same person gets "#2", so that a second run is quiet."""
        key = row_key(patch)
        if not key:
            return ""
        count = self._seen[key] = self._seen.get(key, 0) + 1
        return key if count == 1 else f"{key}#{count}"


def judge_row(line: int, result: MappingResult, key: str, snapshot: Mapping[str, bytes]) -> Compared:
    """The verdict on one mapped row; `snapshot` maps row keys to hashes."""
    if result.rejected:
        return Compared(line, "invalid", problem=result.rejected)
    if not result.patches:
        reason = result.ignored or "the mapping made nothing of this row"
        return Compared(
            line, "invalid", problem=Problem("", "ignored", reason, "Check the preset against the columns.")
        )
    patch = result.patches[0]
    if not key:
        hint = "Fill in an e-mail address, a phone or the institution's id."
        return Compared(
            line, "invalid", problem=Problem("", "no_identity", "nothing in it points at a person", hint)
        )
    digest = patch_sha256(patch)
    known = snapshot.get(key)
    verdict: Verdict = "joiner" if known is None else "unchanged" if known == digest else "changed"
    return Compared(line, verdict, key, digest, patch)
