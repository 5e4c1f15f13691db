"""Members as JSON text, put together from prepared pieces: what is alike in an audience is encoded once.

A batch answers with 500 members and a page with 1,000 of some 3,300 bytes each; building dictionaries and links
for each of them anew would be most of the simulator's work.
"""

import json
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.member import ADDRESS_PARTS, Member, unique_id_of

SHOWN_TAGS = 50
REMEMBERED_TAG_TEXTS = 10_000
HASH_MARK = "@hash@"
PLACE = ', "gmtoff": 0, "dstoff": 0, "country_code": "", "timezone": ""'
# Recorded since February 2022 (not yet in January); the definition's answer to POST /lists/{id} has none.
REGION = ', "region": ""'
STATS = '"stats": {"avg_open_rate": 0, "avg_click_rate": 0}'
MAIL_CLIENT = '"email_client": ""'
RATING = '"member_rating": 2'
REASONS = {
    "contact": "None given",
    "abuse": "Abuse complaint",
    "bounce": "Bounced",
}  # of our own wording; only the admin's is recorded
ADMIN_REASON = "N/A (Unsubscribed by admin)"
_ADDRESS_NAMES = tuple(quote(part) + ": " for part in ADDRESS_PARTS)

# rel, what follows the member's own path, method, whether a target schema and a body schema are named
_LINKS = (
    ("self", "", "GET", "Response", ""),
    ("parent", None, "GET", "CollectionResponse", "Paths/Lists/Members/Collection"),
    ("update", "", "PATCH", "Response", "Definitions/Lists/Members/PATCH"),
    ("upsert", "", "PUT", "Response", "Definitions/Lists/Members/PUT"),
    ("delete", "", "DELETE", "", ""),
    ("activity", "/activity", "GET", "Activity/Response", ""),
    ("goals", "/goals", "GET", "Goals/Response", ""),
    ("notes", "/notes", "GET", "Notes/CollectionResponse", ""),
    ("events", "/events", "POST", "Events/POST", ""),
    ("delete_permanent", "/actions/delete-permanent", "POST", "", ""),
)


def _link_texts(root: str, list_id: str) -> list[str]:
    """The text of `_links`, in pieces to be joined by a member's hash."""
    schemas, parent = f"{root}/schema/3.0", f"{root}/3.0/lists/{list_id}/members"
    links = []
    for rel, tail, method, target, schema in _LINKS:
        link = {
            "rel": rel,
            "href": parent if tail is None else f"{parent}/{HASH_MARK}{tail}",
            "method": method,
        }
        if target:
            link["targetSchema"] = f"{schemas}/Definitions/Lists/Members/{target}.json"
        if schema:
            link["schema"] = f"{schemas}/{schema}.json"
        links.append(link)
    return f', "_links": {json.dumps(links)}'.split(HASH_MARK)


def _value_text(value: Any) -> str:
    if type(value) is str:
        return quote(value)
    if type(value) is tuple:
        parts = [name + quote(part) for name, part in zip(_ADDRESS_NAMES, value, strict=True)]
        return "{" + ", ".join(parts) + "}"
    return json.dumps(value)


def _place_text(member: Member, region: str = REGION) -> str:
    return f'{{"latitude": {member.latitude or 0}, "longitude": {member.longitude or 0}{PLACE}{region}}}'


def _with_extras(text: str, extras: dict[str, Any]) -> str:
    """As a recording shows this member; a reason only while there is one."""
    body = json.loads(text)
    shown = {key: value for key, value in extras.items() if key != "unsubscribe_reason" or key in body}
    return json.dumps(body | shown)


class MemberTexts:
    """The texts of one audience's members; made anew when the audience's own settings change."""

    def __init__(self, audience: Audience, root: str) -> None:
        self._audience = audience
        self._names = [(tag, quote(tag) + ": ") for tag in audience.fields_by_tag()]
        self._interests = [(one, quote(one) + ": ") for one in audience.interests]
        self._links = _link_texts(root, audience.list_id)
        self._tag_texts: dict[tuple[int, ...], str] = {}
        self._list = f'"list_id": {quote(audience.list_id)}'
        self._constants = f"{STATS}, {RATING}, {MAIL_CLIENT}, {self._list}"

    def full(self, member: Member, *, has_links: bool = True) -> str:
        """A member as GET shows it, its keys in Mailchimp's order."""
        text = self._full(member, has_links=has_links)
        if member.contact_id in self._audience.extras:
            return _with_extras(text, self._audience.extras[member.contact_id])
        return text

    def _full(self, member: Member, *, has_links: bool) -> str:
        named = dict(zip(member.merge_tags, member.merge_values, strict=True))
        name = f"{named.get('FNAME', '')} {named.get('LNAME', '')}".strip()
        reason = ""
        if member.status == "unsubscribed":
            reason = f', "unsubscribe_reason": {quote(REASONS.get(member.cause, ADMIN_REASON))}'
        return (
            f'{{"id": "{member.hash}", {self._address(member)}, "contact_id": {quote(member.contact_id)}, '
            f'"full_name": {quote(name)}, "web_id": {member.web_id}, "email_type": {quote(member.email_type)}, '
            f'"status": "{member.status}"{reason}, "consents_to_one_to_one_messaging": true, '
            f"{self._merges(named)}{self._groups(member)}, {STATS}, {self._times(member)}, {RATING}, "
            f"{self._rest(member)}, {MAIL_CLIENT}, "
            f'"location": {_place_text(member)}{self._permissions(member)}{self._note(member)}, '
            f'"source": {quote(member.source)}, {self._tags(member)}, {self._list}'
            f"{member.hash.join(self._links) if has_links else ''}}}"
        )

    def batch(self, member: Member) -> str:
        """As POST /lists/{id} shows it: the definition gives it no contact_id, full_name, web_id, source, reason."""
        named = dict(zip(member.merge_tags, member.merge_values, strict=True))
        return (
            f'{{"id": "{member.hash}", {self._address(member)}, "email_type": {quote(member.email_type)}, '
            f'"status": "{member.status}", {self._merges(named)}{self._groups(member)}, {self._times(member)}, '
            f'{self._rest(member)}, {self._tags(member)}, "location": {_place_text(member, "")}{self._note(member)}, '
            f"{self._constants}{member.hash.join(self._links)}}}"
        )

    def _address(self, member: Member) -> str:
        unique_id = member.unique_id or unique_id_of(member.email)
        return f'"email_address": {quote(member.email)}, "unique_email_id": {quote(unique_id)}'

    def _merges(self, named: dict[str, Any]) -> str:
        parts = [name + _value_text(named[tag]) if tag in named else name + '""' for tag, name in self._names]
        return '"merge_fields": {' + ", ".join(parts) + "}"

    def _times(self, member: Member) -> str:
        return (
            f'"ip_signup": {quote(member.ip_signup)}, "timestamp_signup": "{iso(member.signup_at)}", '
            f'"ip_opt": {quote(member.ip_opt)}, "timestamp_opt": "{iso(member.opt_at)}"'
        )

    def _rest(self, member: Member) -> str:
        return (
            f'"last_changed": "{iso(member.changed_at)}", "language": {quote(member.language)}, '
            f'"vip": {"true" if member.is_vip else "false"}'
        )

    def _groups(self, member: Member) -> str:
        """Recorded members without groups have no such key."""
        if not self._interests:
            return ""
        given = member.interests
        parts = [name + ("true" if one in given else "false") for one, name in self._interests]
        return ', "interests": {' + ", ".join(parts) + "}"

    def _permissions(self, member: Member) -> str:
        if not self._audience.has_permissions:
            return ""
        told = [
            {"marketing_permission_id": one, "text": text, "enabled": one in member.permissions}
            for one, text in self._audience.permissions.items()
        ]
        return f', "marketing_permissions": {json.dumps(told)}'

    def _note(self, member: Member) -> str:
        story = self._audience.stories.get(member.contact_id)
        if story is None or not story.notes:
            return ""
        last = story.notes[-1]
        told = {"note_id": last["id"], "created_at": iso(last["created_at"])}
        told |= {"created_by": last["created_by"], "note": last["note"]}
        return f', "last_note": {json.dumps(told)}'

    def _tags(self, member: Member) -> str:
        ids = member.tag_ids
        if member.contact_id in self._audience.lagging_tags:
            ids = self._audience.lagging_tags[member.contact_id][0][1]
        text = self._tag_texts.get(ids)
        if text is None:
            tags = self._audience.tags
            told = [{"id": one, "name": tags[one].name} for one in ids[:SHOWN_TAGS] if one in tags]
            count = sum(one in tags for one in ids)
            text = f'"tags_count": {count}, "tags": {json.dumps(told)}'
            if len(self._tag_texts) >= REMEMBERED_TAG_TEXTS:
                self._tag_texts.clear()
            self._tag_texts[ids] = text
        return text


def texts_of(audience: Audience, root: str) -> MemberTexts:
    """The audience's texts, made when there are none."""
    if audience.texts is None:
        audience.texts = MemberTexts(audience, root)
    found: MemberTexts = audience.texts
    return found
