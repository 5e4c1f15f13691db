"""Whether the customer database, the mirror and Mailchimp say the same of everybody: one list of what they do not.

    assert [] == disagreements(select, there)

`select(query)` gives rows of Muster's database, `there` is Mailchimp's own word: list id -> member hash -> member, as
its API shows one (email_address, status, merge_fields, tags). Nothing of Muster's own code is asked.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

REACHABLE = frozenset({"subscribed", "pending", "transactional"})
MAILED = frozenset({"subscribed", "transactional"})
ABSENT = frozenset({"", "archived", "forgotten"})  # listed by nobody
# Who is known how: contact, ledger, mirror, and whether somebody with the same address opted out.
EVERYBODY = """
    SELECT a.list_id, a.slug, a.tags, a.entry_rule, c.id, c.state, c.fields, c.tags, coalesce(k.status, 'none'),
        EXISTS (SELECT FROM consents e WHERE e.contact_id = c.id AND e.channel = 'email' AND e.purpose = '*'
                AND e.status = 'withdrawn' AND NOT coalesce(k.proof = 'confirmed' AND k.decided_at > e.decided_at, false)),
        EXISTS (SELECT FROM contacts o JOIN consents w ON w.contact_id = o.id AND w.status = 'withdrawn'
                AND w.channel = 'email' AND w.purpose IN (a.purpose, '*')
                WHERE o.id <> c.id AND o.state = 'active'
                AND NOT EXISTS (SELECT FROM consents g WHERE g.contact_id = o.id AND g.channel = 'email'
                    AND g.purpose = a.purpose AND g.status = 'given' AND g.proof = 'confirmed'
                    AND g.decided_at > w.decided_at)
                AND lower(btrim(o.fields ->> 'email')) = lower(btrim(c.fields ->> 'email'))),
        m.status, m.subscriber_hash, m.merge_fields, m.tags, m.sync_state, m.theirs_changed
    FROM audiences a CROSS JOIN contacts c
    LEFT JOIN consents k ON k.contact_id = c.id AND k.channel = 'email' AND k.purpose = a.purpose
    LEFT JOIN members m ON m.contact_id = c.id AND m.audience_id = a.id
    WHERE a.is_enabled ORDER BY a.id, c.id
"""
# What speaks of a contact that is not there: no foreign key looks at these.
NOBODYS = """
    SELECT 'members', contact_id FROM members m WHERE NOT EXISTS (SELECT FROM contacts WHERE id = m.contact_id)
    UNION SELECT 'timeline_entries', contact_id FROM timeline_entries t
    WHERE NOT EXISTS (SELECT FROM contacts WHERE id = t.contact_id)
"""
# Merge tag -> contact field, as a new audience maps them.
OURS = {"FNAME": "first_name", "LNAME": "last_name"}
There = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Known:
    """One contact in one audience, as Muster's database has it."""

    list_id: str
    slug: str
    managed: list[str]
    rule: Mapping[str, Any]
    contact_id: int
    state: str
    fields: Mapping[str, Any]
    tags: list[str]
    consent: str
    has_left_all: bool
    is_blocked: bool
    status: str | None = None
    member_hash: str | None = None
    merge_fields: Mapping[str, Any] | None = field(default_factory=dict)
    mirror_tags: list[str] | None = None
    sync_state: str | None = None
    theirs_changed: Mapping[str, str] | None = None

    @property
    def who(self) -> str:
        return f"contact {self.contact_id} in {self.slug}"

    @property
    def email_hash(self) -> str:
        email = str(self.fields.get("email") or "").strip().lower()
        return hashlib.md5(email.encode(), usedforsecurity=False).hexdigest() if email else ""

    @property
    def is_opted_out(self) -> bool:
        return self.consent == "withdrawn" or self.has_left_all or self.is_blocked

    @property
    def is_mirrored(self) -> bool:
        return bool(self.status) and self.status not in ABSENT


def disagreements(select: Callable[[str], list[tuple[Any, ...]]], there: There) -> list[str]:
    """What does not fit together, in words without addresses."""
    everybody = [Known(*row) for row in select(EVERYBODY)]
    found = [f"a line of {table} is nobody's: contact {contact_id}" for table, contact_id in select(NOBODYS)]
    unclear = _unclear(everybody)
    for one in everybody:
        members = there[one.list_id]
        found += _mirror_differs(one, members)
        if one.state == "active":
            if (one.list_id, one.email_hash) not in unclear:
                found += _is_mailed_against_their_word(one, members)
            found += _is_not_as_wanted(one, members)
    return found


def _unclear(everybody: list[Known]) -> set[tuple[str, str]]:
    """Addresses that several people share and that Muster never wrote: whose member it is nobody knows."""
    sharers = Counter((one.list_id, one.email_hash) for one in everybody if one.state == "active")
    written = {(one.list_id, one.member_hash) for one in everybody if one.is_mirrored}
    return {place for place, count in sharers.items() if count > 1 and place not in written}


def _mirror_differs(one: Known, there: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Mirror against Mailchimp: status, mapped merge fields, managed tags."""
    member = there.get(one.member_hash or "")
    # Whoever opted out and fills in Mailchimp's form is pending until they confirm; nobody mails them meanwhile.
    # (A merged contact's consents are its winner's.)
    may_come_back = one.is_opted_out or one.state == "merged"
    is_coming_back = may_come_back and member is not None and member["status"] == "pending"
    if (
        one.status in {"archived", "forgotten"}
        and member
        and member["status"] in REACHABLE
        and not is_coming_back
    ):
        yield f"{one.who}: the mirror says {one.status}, Mailchimp {member['status']}"
    if not one.is_mirrored:
        return
    if member is None:
        yield f"{one.who}: the mirror says {one.status}, Mailchimp does not list the member"
        return
    if member["status"] != one.status and not is_coming_back:
        yield f"{one.who}: the mirror says {one.status}, Mailchimp {member['status']}"
    if is_coming_back:
        return
    for tag, value in (one.merge_fields or {}).items():
        if member["merge_fields"].get(tag, "") != value:
            yield f"{one.who}: {tag} is {value!r} in the mirror, {member['merge_fields'].get(tag)!r} at Mailchimp"
    if _managed(one, one.mirror_tags or []) != _managed(one, _tag_names(member)):
        yield f"{one.who}: tags {one.mirror_tags} in the mirror, {sorted(_tag_names(member))} at Mailchimp"


def _is_mailed_against_their_word(one: Known, there: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Nobody who said no can be mailed, at the address they have nor as the member they were."""
    if not one.is_opted_out:
        return
    hashes = {one.email_hash} | ({one.member_hash} if one.is_mirrored and not one.is_blocked else set())
    for member_hash in hashes - {"", None}:
        member = there.get(str(member_hash))
        if member is not None and member["status"] in MAILED:
            yield f"{one.who}: opted out here, {member['status']} at Mailchimp"


def _is_not_as_wanted(one: Known, there: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Whoever is a member by consent has our values; whoever gave consent is a member, or the reason is noted."""
    is_let_in = not set(one.rule.get("tags_none", ())) & set(one.tags)
    is_wanted = one.consent == "given" and not one.is_opted_out and bool(one.email_hash) and is_let_in
    if not is_wanted or one.sync_state == "failed":
        return
    member = there.get(one.email_hash)
    if member is None or member["status"] not in REACHABLE:
        yield f"{one.who}: gave consent and is {member['status'] if member else 'nobody'} at Mailchimp"
        return
    for tag, name in OURS.items():
        ours = one.fields.get(name)
        is_decided_there = tag in (one.theirs_changed or {}) or tag not in (one.merge_fields or {})
        if ours and not is_decided_there and member["merge_fields"].get(tag) != ours:
            yield f"{one.who}: {tag} is {ours!r} here, {member['merge_fields'].get(tag)!r} at Mailchimp"
    if _managed(one, one.tags) != _managed(one, _tag_names(member)):
        yield f"{one.who}: tags {one.tags} here, {sorted(_tag_names(member))} at Mailchimp"


def _managed(one: Known, tags: list[str]) -> set[str]:
    return {tag.casefold() for tag in tags} & {tag.casefold() for tag in one.managed}


def _tag_names(member: Mapping[str, Any]) -> list[str]:
    return [tag["name"] if isinstance(tag, Mapping) else str(tag) for tag in member["tags"]]
