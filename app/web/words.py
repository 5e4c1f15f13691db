"""Plain words and safe shapes for pages: times, sizes, states, values exactly as they are."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from app.core.clock import utc_now
from mappings.language.patch import ConsentEvidence, Identity


@dataclass(frozen=True, slots=True)
class Word:
    """How a state is shown: its colour, its name, what it means and what to do."""

    tone: str  # ok, wait, bad, off
    name: str
    meaning: str = ""


STATES: dict[str, dict[str, Word]] = {
    "delivery": {
        "waiting": Word("wait", "Waiting", "Stored. A worker takes it next."),
        "done": Word("ok", "Done", "Everything in it has been dealt with."),
        "dead": Word("bad", "Dead letter", "Something in it was given up. Read why, mend it, then replay."),
    },
    "event": {
        "new": Word("wait", "Waiting", "A worker takes it next, or tries again after a failure."),
        "waiting_enrich": Word(
            "wait", "Fetching", "The platform sent an id only; Muster asks its API for the rest."
        ),
        "blocked": Word(
            "bad", "Blocked", "The platform refused our credentials. Renew them in the source's settings."
        ),
        "done": Word("ok", "Done", "Mapped, matched and written to a contact."),
        "ignored": Word("off", "Ignored", "Known, and of no concern for the customer database."),
        "dead": Word("bad", "Dead letter", "Given up. Mend the cause, then replay it: nothing is lost."),
    },
    "member": {
        "subscribed": Word("ok", "Subscribed", "Receives the mails of this audience."),
        "pending": Word("wait", "Pending", "Mailchimp waits for the person to confirm."),
        "unsubscribed": Word(
            "off", "Unsubscribed", "Opted out. Muster does not subscribe them again without newer proof."
        ),
        "cleaned": Word("bad", "Cleaned", "Mailchimp could not deliver to the address."),
        "archived": Word("off", "Archived", "Kept at Mailchimp, out of sight."),
        "transactional": Word("off", "Non-subscribed", "Known at Mailchimp, never asked for mails."),
        "": Word("wait", "Not there yet", "Planned, not yet at Mailchimp."),
    },
    "consent": {
        "given": Word("ok", "Given"),
        "withdrawn": Word("bad", "Withdrawn", "Absorbing: only newer, confirmed consent lifts it."),
    },
    "contact": {
        "active": Word("ok", "Active"),
        "merged": Word("off", "Merged", "This person lives on in another contact."),
        "erased": Word("off", "Erased", "Only a keyed hash is left, to stop re-imports."),
    },
    "source": {
        "on": Word("ok", "On"),
        "paused": Word("bad", "Paused", "The platform refused our credentials."),
        "off": Word("off", "Off", "Deliveries are answered 503, so that the platform sends them again."),
    },
    "audience": {
        "ready": Word("ok", "Ready", "Changes are written as they happen."),
        "off": Word("off", "Off", "Switched off: nothing is written or read."),
        "paused": Word("bad", "Paused", "Only opt-outs and erasures are written."),
        "waiting": Word("wait", "Waiting", "Nothing is written yet."),
    },
    "run": {
        "running": Word("wait", "Running"),
        "waiting": Word("wait", "Waits for you", "Nothing of it happens before somebody approves it."),
        "paused": Word("wait", "Paused", "Goes on where it stopped once the audience is resumed."),
        "done": Word("ok", "Done"),
        "failed": Word("bad", "Broken off"),
        "cancelled": Word("off", "Cancelled"),
    },
    "webhook": {
        "registered": Word("ok", "Working", "Mailchimp tells at once what people do there."),
        "unreachable": Word(
            "off", "Not possible", "Nobody outside can call this Muster; reading brings the news instead."
        ),
        "missing": Word("wait", "Not made yet", "It is made as soon as the web server answers."),
        "broken": Word("bad", "Broken", "Reading brings the news meanwhile, some minutes later."),
    },
    "health": {
        "alive": Word("ok", "Sending", "The platform says that it sends to this address."),
        "dead": Word("bad", "Not sending", "The platform says that it does not send to this address."),
        "unknown": Word("off", "Nobody can say", "The platform has no way to ask whether it sends."),
    },
    "process": {
        "alive": Word("ok", "Running"),
        "silent": Word("bad", "Silent", "No sign of life for 30 seconds. `muster up` restarts what dies."),
    },
}
PROOFS = {"claimed": "claimed on a form or sheet", "confirmed": "confirmed by the owner of the address"}
RUN_KINDS = {
    "push": "Writing",
    "pull": "Reading",
    "first_sync": "First sync, dry run",
    "reconcile": "Comparison",
    "guard": "Many would leave",
    "activity": "Campaign activity",
}
DIRECTION_WORDS = {
    "newest": "the newest wins",
    "ours": "ours is written",
    "theirs": "theirs is taken",
    "never_blank": "the newest, never a blank",
    "review": "somebody decides",
}
OPERATIONS = {
    "nothing": "nothing to write",
    "upsert": "would be written",
    "ask": "Mailchimp would ask by mail",
    "set_status": "would be set",
    "archive": "would be archived",
    "erase": "would be erased",
    "change_email": "would get the new address",
    "tags": "would get other tags",
    "cannot_sync": "cannot be synced",
}
MESSAGE_KINDS = {
    "comment": "Comment",
    "mention": "Mention",
    "direct_message": "Direct message",
    "review": "Review",
    "post": "Post",
    "reaction": "Reaction",
}
STAGES = {
    "split": "reading the delivery",
    "enrich": "asking the platform",
    "map": "mapping",
    "record": "writing the contact",
    "push": "writing to Mailchimp",
    "pull": "reading from Mailchimp",
}
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
        return exact(f"{value.channel} consent for {value.purpose} {value.verdict}")
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
        OPERATIONS=OPERATIONS,
    )
