"""A delivery of leads taken apart: one event a leadgen change, a name for everything else."""

from collections.abc import Iterator
from typing import Any

from integrations.kit.contract import Event, Ignored, Split
from integrations.kit.gather import bounded_name, gather
from integrations.kit.meta_envelope import TEST, Envelope, Part, read_envelope
from integrations.kit.times import find_time
from integrations.kit.values import identifier

# Ids come as numbers in some of Meta's samples and as text in others.
_ID_NAMES = ("leadgen_id", "page_id", "form_id", "ad_id", "adgroup_id")
_OTHER = "only leadgen changes make contacts here"
_MESSAGES = "messages are not leads"
_NOTHING = "an entry with nothing in it"
_NO_ID = "a leadgen change without an id: there is nothing to fetch"
_REPEATED = "the same lead stands in this delivery already"


def split_changes(body: bytes) -> Split:
    """Every change of every entry: Meta puts up to 1,000 in one POST, in groupings that differ between tries."""
    return gather(_found(read_envelope(body, ("leadgen",))), _REPEATED)


def _found(envelope: Envelope) -> Iterator[Event | Ignored]:
    kind = envelope.object or "page"
    for part in envelope.parts:
        if part.kind == "nothing":
            yield Ignored("entry", _NOTHING)
        elif part.kind != "change":
            yield Ignored("messaging", _MESSAGES)
        elif part.field != "leadgen" or kind != "page":
            yield Ignored(part.field if kind == "page" else bounded_name(kind, part.field), _OTHER)
        elif part.is_test:
            yield Ignored("leadgen", TEST)
        else:
            yield _lead(part)


def _lead(part: Part) -> Event | Ignored:
    content: Any = part.value
    found = {name: identifier(content.get(name)) for name in _ID_NAMES} if isinstance(content, dict) else {}
    ids = {name: value for name, value in found.items() if value}
    if "leadgen_id" not in ids:
        return Ignored("leadgen", _NO_ID)
    return Event(
        key=ids["leadgen_id"],
        kind="leadgen",
        content=ids,
        occurred_at=find_time(content.get("created_time")),
        account=ids.get("page_id", part.account),
        needs_enrich=True,
    )
