"""Plain words and safe shapes for pages: times, sizes, states, values exactly as they are."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from app.audiences.guard import SMALLEST_LIMIT
from app.contacts.consent import say_purpose
from app.core.clock import utc_now
from app.web.states import (
    COUNT_WORDS,
    DIRECTION_WORDS,
    DONE_MEANING,
    MESSAGE_KINDS,
    OPERATIONS,
    PROOFS,
    RUN_KINDS,
    STAGES,
    STATES,
    Word,
)
from mappings.language.patch import ConsentEvidence, Identity

STEPS_OF_TIME = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (30 * 86_400, 86_400, "d"))
JUST_NOW_SECONDS = 5
SIZES = ((1024 * 1024, "MiB"), (1024, "KiB"))
SECONDS_A_MINUTE = 60


def state_word(family: str, state: str) -> Word:
    """The word for a state; a state nobody named yet is shown as it is."""
    return STATES[family].get(state) or Word("off", state or "unknown")


def ago_text(moment: datetime, now: datetime) -> str:
    """How long ago, or ahead, in one short phrase."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < JUST_NOW_SECONDS:
        return "just now"
    span = duration_text(abs(seconds)) or moment.astimezone(UTC).strftime("%-d %b %Y")
    if abs(seconds) >= STEPS_OF_TIME[-1][0]:
        return span
    return f"{span} ago" if seconds > 0 else f"in {span}"


def duration_text(seconds: float) -> str:
    """A span in one unit; "" beyond a month, when a date says more."""
    return next(
        (f"{int(seconds // unit)} {name}" for limit, unit, name in STEPS_OF_TIME if seconds < limit), ""
    )


def lag_text(seconds: float | None) -> str:
    """How long the oldest pending one waits."""
    if seconds is None:
        return "none"
    if seconds < SECONDS_A_MINUTE:
        return f"{seconds:.1f} s" if seconds < JUST_NOW_SECONDS else f"{seconds:.0f} s"
    return duration_text(seconds) or f"{seconds / 86_400:.0f} d"


def time_tag(moment: datetime | None, absent: str = "never") -> Markup:
    """A <time> that reads as a relative phrase and tells the exact UTC on hover."""
    if moment is None:
        return Markup('<span class="muted">{}</span>').format(absent)
    exact = moment.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(timespec="milliseconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S UTC"),
        ago_text(exact, utc_now()),
    )


def exact(value: Any) -> Markup:
    """A value, character for character, in whatever direction it is written.

    HTML parsers turn a raw carriage return into a line feed, so it is written as a reference.
    """
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    )
    escaped = str(escape(text)).replace("\r", "&#13;")
    return Markup(f"<bdi>{escaped}</bdi>")  # noqa: S704 - escaped the line above


def shown(value: Any) -> Markup:
    """A value of a rule for people: text as it is, several with commas, evidence and identities in words."""
    if isinstance(value, (list, tuple)):
        return Markup(", ").join(shown(entry) for entry in value)
    if isinstance(value, Identity):
        return exact(f"{value.kind}: {value.value}")
    if isinstance(value, ConsentEvidence):
        return exact(f"{value.channel} consent for {say_purpose(value.purpose)} {value.verdict}")
    return exact(value)


def pretty(value: Any) -> str:
    """A JSON value over several lines."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


LINK = re.compile(r"(https?://[^\s<>\"'`]+[^\s<>\"'`.,;:!?)])")


def marked(words: str, *, has_links: bool = False) -> Markup:
    """A sentence of ours with its `commands` set as code, and its addresses as links where they are to be followed."""
    parts = str(words or "").split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part)
        if number % 2
        else (linked(part) if has_links else escape(part))
        for number, part in enumerate(parts)
    )


def linked(words: str) -> Markup:
    """Text with web addresses as links."""
    link = Markup('<a href="{0}" rel="noopener noreferrer">{0}</a>')
    parts = LINK.split(words)
    return Markup("").join(link.format(part) if n % 2 else escape(part) for n, part in enumerate(parts))


def web_link(url: str) -> str:
    """The address where it is one of the web; "" for any other, which is never made a link."""
    return url if url.startswith(("https://", "http://")) else ""


def size_text(count: int) -> str:
    """A count of bytes for people."""
    return next((f"{count / unit:.1f} {name}" for unit, name in SIZES if count >= unit), f"{count} bytes")


def number_text(count: int) -> str:
    """Thousands apart by a thin space."""
    return f"{count:,}".replace(",", "\u202f")


def plural(count: int, one: str, many: str = "") -> str:
    """`1 event`, `2 events`."""
    return f"{number_text(count)} {one if count == 1 else many or one + 's'}"


def person_name(fields: Mapping[str, Any]) -> str:
    """How a person is called: the whole name, else its parts; "" when nobody said."""
    parts = [str(fields.get(name) or "").strip() for name in ("first_name", "last_name")]
    return str(fields.get("full_name") or "").strip() or " ".join(part for part in parts if part)


def initials(name: str) -> str:
    """At most two letters that stand for a person."""
    parts = [part for part in name.split() if part and part[0].isalnum()]
    return "".join(part[0] for part in (parts[:1] + parts[-1:] if len(parts) > 1 else parts)).upper() or "?"


def sentence(parts: Iterable[str]) -> str:
    """Reason and next step, one after the other, each with its full stop."""
    return " ".join(part if part.endswith((".", "!", "?")) else part + "." for part in parts if part)


def add_words(app: Flask) -> None:
    """Make the words known to the templates."""
    app.jinja_env.filters.update(
        ago=time_tag,
        exact=exact,
        shown=shown,
        size=size_text,
        number=number_text,
        lag=lag_text,
        initials=initials,
        span=duration_text,
        marked=marked,
        pretty=pretty,
        purpose=say_purpose,
        web_link=web_link,
    )
    app.jinja_env.globals.update(
        state_word=state_word,
        plural=plural,
        person_name=person_name,
        sentence=sentence,
        PROOFS=PROOFS,
        STAGES=STAGES,
        RUN_KINDS=RUN_KINDS,
        MESSAGE_KINDS=MESSAGE_KINDS,
        DIRECTION_WORDS=DIRECTION_WORDS,
        DONE_MEANING=DONE_MEANING,
        GUARD_LEAST=SMALLEST_LIMIT,
        OPERATIONS=OPERATIONS,
        COUNT_WORDS=COUNT_WORDS,
    )
