"""What a delivery's parts make together: every event once, every other part with its name."""

from collections.abc import Iterable

from integrations.kit.contract import Event, Ignored, Split

REPEATED = "the same event stands in this delivery already"
LONGEST_NAME = 80


def gather(parts: Iterable[Event | Ignored], repeated: str = REPEATED) -> Split:
    """The split of a batch, in its order; an event whose key came before in it is ignored as a repeat."""
    events: dict[str, Event] = {}
    ignored: list[Ignored] = []
    for part in parts:
        if isinstance(part, Ignored):
            ignored.append(part)
        elif part.key in events:
            ignored.append(Ignored(part.kind, repeated))
        else:
            events[part.key] = part
    return Split(tuple(events.values()), tuple(ignored))


def bounded_name(*words: object) -> str:
    """A name for a part made of a platform's own words, bounded; what is no text or empty is "unnamed"."""
    return ".".join(word if isinstance(word, str) and word else "unnamed" for word in words)[:LONGEST_NAME]
