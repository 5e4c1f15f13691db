"""A delivery of LinkedIn taken apart: a lead that came or went, or up to ten social notifications.

Shapes from https://learn.microsoft.com/en-us/linkedin/marketing/lead-sync/leadsync and
https://learn.microsoft.com/en-us/linkedin/marketing/community-management/organizations/organization-social-action-notifications
(seen 2026-11-22).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from integrations.kit.contract import Event, Ignored, Message, SourceConfig, Split, Unreadable
from integrations.kit.gather import gather
from integrations.kit.keys import digest_of
from integrations.kit.strict_json import load_json
from integrations.kit.times import find_time
from integrations.kit.values import filled, identifier, object_at, objects_in, short_name, text_of

LEAD = "LEAD_ACTION"
LEAD_ID = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
# LinkedIn's own example has a space after the comma.
_FORM = re.compile(r"urn:li:leadGenForm:([0-9]{1,20})(?:\s*,\s*([0-9]{1,10}))?", re.ASCII)
_ACTIONS = frozenset({"CREATED", "DELETED"})

Kind = Literal["comment", "mention", "direct_message", "review", "post", "reaction"]
Change = Literal["said", "edited", "deleted"]
_SOCIAL: Mapping[str, tuple[Kind, Change]] = {
    "LIKE": ("reaction", "said"),
    "COMMENT": ("comment", "said"),
    "COMMENT_EDIT": ("comment", "edited"),
    "COMMENT_DELETE": ("comment", "deleted"),
    "SHARE": ("post", "said"),
    "SHARE_MENTION": ("mention", "said"),
}
_ANSWERS = {"formResponse": "leadFormResponse", "questions": "leadForm", "content": "leadForm"}
_AN_ANSWER = "an answer of LinkedIn's API; its webhook brings notices"
_OURS = "what our own page says is no news"
_UNKNOWN = "a type of notice Muster does not know"
_NO_LEAD = "a lead notice without a lead's number: there is nothing to fetch"
_NO_ACTION = "a lead action Muster does not know"
_NO_ID = "a notification without an activity"
_NOTHING = "there is no notice in it"
_REPEATED = "the same notice stands in this delivery already"
_HINT = "LinkedIn sends one object; check which program posts to this address."


def split_notices(body: bytes, config: SourceConfig) -> Split:
    """One event a lead's action or a notification; the rest by its name."""
    return gather(_parts(load_json(body), config), _REPEATED)


def is_lead_notice(value: Any) -> bool:
    """Whether a parsed delivery is nothing but notices about leads."""
    notices = objects_in(value if isinstance(value, list) else [value])
    return bool(notices) and all(_is_lead(notice) for notice in notices)


def form_of(urn: Any) -> tuple[str, str]:
    """(form's number, version) of urn:li:versionedLeadGenForm:(urn:li:leadGenForm:1, 1); "" for what is not said."""
    found = _FORM.search(text_of(urn)[:200])
    return (found[1], found[2] or "") if found else ("", "")


def lead_id_of(urn: Any) -> str:
    """What follows the last colon of urn:li:leadGenFormResponse:<id>, where it is fit for a path; else ""."""
    last = text_of(urn).rpartition(":")[2].strip()
    return last if LEAD_ID.fullmatch(last) else ""


def _parts(value: Any, config: SourceConfig) -> Iterator[Event | Ignored]:
    notices = value if isinstance(value, list) else [value]
    if not all(isinstance(notice, dict) for notice in notices):
        raise Unreadable("the JSON is no object", _HINT)
    if not notices:
        yield Ignored("empty", _NOTHING)
    for notice in notices:
        listed = notice.get("notifications")
        if _is_lead(notice):
            yield _lead(notice)
        elif isinstance(listed, list):
            yield from (_social(object_at(each), config) for each in listed)
            yield from () if listed else (Ignored("notifications", _NOTHING),)
        else:
            yield _other(notice)


def _other(notice: Mapping[str, Any]) -> Ignored:
    """What the API answers may stand in a file that somebody tries; it is no notice."""
    found = next((name for part, name in _ANSWERS.items() if part in notice), "")
    return Ignored(found, _AN_ANSWER) if found else Ignored(short_name(notice.get("type")), _UNKNOWN)


def _is_lead(notice: Mapping[str, Any]) -> bool:
    return notice.get("type") == LEAD or "leadGenFormResponse" in notice


def _lead(notice: dict[str, Any]) -> Event | Ignored:
    action, lead_id = text_of(notice.get("leadAction")), lead_id_of(notice.get("leadGenFormResponse"))
    if not lead_id:
        return Ignored(LEAD, _NO_LEAD)
    if action not in _ACTIONS:
        return Ignored(f"{LEAD}.{short_name(action)}", _NO_ACTION)
    form_id, form_version = form_of(notice.get("leadGenForm"))
    content = filled(
        {
            "action": action,
            "lead_id": lead_id,
            "urn": f"urn:li:leadGenFormResponse:{lead_id}",
            "form_id": form_id,
            "form_version": form_version,
            "lead_type": short_name(notice.get("leadType"), ""),
        }
    )
    # A lead comes once and goes once, so its key needs no time, and a back-fill finds the webhook's.
    return Event(
        key=f"{content['urn']}:{action}",
        kind=f"{LEAD}.{action}",
        content=content,
        occurred_at=find_time(notice.get("occurredAt")),
        account=_owner(notice),
        needs_enrich=action == "CREATED",
        is_erasure=action == "DELETED",
    )


def _owner(notice: Mapping[str, Any]) -> str:
    owner = object_at(notice, "owner")
    return identifier(owner.get("sponsoredAccount")) or identifier(owner.get("organization"))


def _social(each: dict[str, Any], config: SourceConfig) -> Event | Ignored:
    action = short_name(each.get("action"))
    if action not in _SOCIAL:
        return Ignored(action, _OURS if action == "ADMIN_COMMENT" else _UNKNOWN)
    kind, change = _SOCIAL[action]
    decorated = object_at(each, "decoratedGeneratedActivity")
    said = object_at(decorated, "comment") or object_at(decorated, "share") or decorated
    author, page = identifier(said.get("owner")), identifier(each.get("organizationalEntity"))
    message_id = _activity(each.get("generatedActivity")) or _activity(said.get("entity"))
    number = identifier(each.get("notificationId"))
    if author and author == page:
        return Ignored(action, _OURS)
    if not message_id and not number:
        return Ignored(action, _NO_ID)
    is_person = author.startswith("urn:li:person:") and change != "deleted"
    message = Message(
        id=message_id or f"notification:{number}",
        kind=kind,
        change=change,
        text="" if change == "deleted" else _words(said),
        thread_id=_activity(each.get("sourcePost")),
    )
    content = {"action": action, "person": author if is_person else "", "app": _app(config)}
    return Event(
        key=f"notification:{number or digest_of(each)}",
        kind=f"social.{action}",
        content=filled({**content, "page": page}),
        occurred_at=find_time(each.get("lastModifiedAt")),
        account=page,
        message=message,
    )


def _words(said: Mapping[str, Any]) -> str:
    return (
        text_of(said.get("text"))
        or text_of(object_at(said, "message").get("text"))
        or text_of(object_at(said, "text").get("text"))
    )


def _activity(urn: Any) -> str:
    """One way to write an activity: LinkedIn says comment:(activity:1,2) and comment:(urn:li:activity:1,2) for one."""
    return identifier(urn).replace("urn:li:", "")


def _app(config: SourceConfig) -> str:
    return config.settings.get("client_id", "").strip()
