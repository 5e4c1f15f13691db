"""A delivery of Blackbaud taken apart: CloudEvents 1.0, one or a list, that name a constituent and nothing more.

https://developer.blackbaud.com/skyapi/products/bbem/webhook/overview and .../event-types (seen 2026-11-22).
"""

import re
from collections.abc import Iterator
from typing import Any

from integrations.kit.contract import Event, Ignored, SourceConfig, Split, Unreadable
from integrations.kit.gather import gather
from integrations.kit.keys import digest_of
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, short_name, text_of

# Beginnings of types after com.blackbaud. Sources disagree on names (constituent.email and constituent.emailaddress), so
# a type is known by its beginning.
FOLLOWED = (
    "constituent.add, constituent.change, constituent.delete, constituent.email, constituent.phone, constituent.address, "
    "constituent.education, constituent.solicitcode, constituent.consent, constituent.constituentcode, constituent.alias"
)
TYPE_PREFIX = "com.blackbaud."
CONSTITUENT_ID = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)  # a number in Raiser's Edge NXT
_ENVIRONMENT = re.compile(r"/environments/([^/?#]{1,100})")
_SUBJECT_CONSTITUENT = re.compile(r"/constituents?/([A-Za-z0-9-]{1,40})(?![^/])", re.ASCII)
_DELETED = "constituent.delete"
_TEST = "utility.testpayload"
_NO_CONSTITUENT = "the event names no constituent"
_NOT_FOLLOWED = "a type this source does not follow (setting event_types)"
_UNKNOWN = "a type of event Muster does not know"
_UNSUBSCRIBED = "a subscription was deleted: connect the application again and subscribe again"
_NOTHING = "there is no event in it"


def split_notices(body: bytes, config: SourceConfig) -> Split:
    """One event a CloudEvent that concerns a constituent; everything else by its name."""
    return gather(_parts(load_json(body), config))


def followed_types(config: SourceConfig) -> tuple[str, ...]:
    """The beginnings of types that the source follows, in small letters."""
    written = config.settings.get("event_types", "").strip() or FOLLOWED
    return tuple(
        each.strip().lower().removeprefix(TYPE_PREFIX) for each in written.split(",") if each.strip()
    )


def _parts(value: Any, config: SourceConfig) -> Iterator[Event | Ignored]:
    notices = value if isinstance(value, list) else [value]
    if not all(isinstance(notice, dict) for notice in notices):
        raise Unreadable(
            "the JSON is no object", "Blackbaud sends CloudEvents; check which program posts to this address."
        )
    if not notices:
        yield Ignored("empty", _NOTHING)
    followed = followed_types(config)
    for notice in notices:
        yield _read(notice, followed)


def _read(notice: dict[str, Any], followed: tuple[str, ...]) -> Event | Ignored:
    kind = short_name(notice.get("type"))
    name = kind.lower().removeprefix(TYPE_PREFIX)
    if name.startswith(_TEST):
        return Ignored(kind, "Blackbaud's test")
    if "subscription" in name:
        return Ignored(kind, _UNSUBSCRIBED)
    if not name.startswith(followed):
        return Ignored(kind, _NOT_FOLLOWED if name.startswith("constituent.") else _UNKNOWN)
    constituent_id = _constituent(notice, name)
    if not constituent_id:
        return Ignored(kind, _NO_CONSTITUENT)
    return _event(notice, kind, constituent_id, is_deleted=name.startswith(_DELETED))


def _event(notice: dict[str, Any], kind: str, constituent_id: str, *, is_deleted: bool) -> Event:
    found = _ENVIRONMENT.search(text_of(notice.get("subject")))
    environment = found[1] if found else ""
    # The id is unique within an environment only.
    key = f"{environment}:{identifier(notice.get('id')) or digest_of(notice)}"
    content = {"type": kind, "environment": environment, "constituent_id": constituent_id}
    return Event(
        key=key,
        kind=kind,
        content=filled({**content, "change": "deleted" if is_deleted else ""}),
        occurred_at=find_time(notice.get("time")),
        account=environment,
        needs_enrich=not is_deleted,
        is_erasure=is_deleted,
    )


def _constituent(notice: dict[str, Any], name: str) -> str:
    """The constituent's number: the thing's own where it is one, else what data or subject says beside it."""
    data = object_at(notice, "data")
    is_constituent = name.count(".") < len(("constituent", "add", "v1"))
    named = identifier(data.get("id")) if is_constituent else ""
    found = _SUBJECT_CONSTITUENT.search(text_of(notice.get("subject")))
    candidates = (identifier(data.get("constituent_id")), named, found[1] if found else "")
    return next((each for each in candidates if CONSTITUENT_ID.fullmatch(each)), "")
