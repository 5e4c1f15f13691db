"""POST /lists/{id}: up to 500 members in one call, each with its own outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import Member, md5_of
from integrations.mailchimp.simulator.members import Writer, write_member
from integrations.mailchimp.simulator.refusals import Refusal, already_in_batch, not_validated
from integrations.mailchimp.simulator.tagging import change_tags
from integrations.mailchimp.simulator.wishes import Wish, mistyped, read_wish
from integrations.mailchimp.simulator.world import World

BATCH_SIZE = 500
FLAGS = {"update_existing": bool, "sync_tags": bool}


@dataclass(slots=True)
class Outcomes:
    created: list[Member] = field(default_factory=list)
    updated: list[Member] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)

    def take(self, member: Member, is_new: bool) -> None:
        (self.created if is_new else self.updated).append(member)


def write_batch(
    world: World, audience: Audience, body: Any, writer: Writer, *, skip_duplicate_check: bool = False
) -> Outcomes:
    """Every member is written or refused by itself; only a misshapen body refuses the whole call."""
    members = body.get("members") if isinstance(body, Mapping) else None
    if not isinstance(members, list):
        raise not_validated(("members", "Required fields were not provided: members"))
    if len(members) > BATCH_SIZE:
        raise not_validated(("members", world.switches.batch_limit_text))
    if odd := mistyped(body, FLAGS):
        raise not_validated(*odd)
    outcomes, seen = Outcomes(), set[str]()
    for one in members:
        email = str(one.get("email_address") or "") if isinstance(one, Mapping) else ""
        email_hash = md5_of(email)
        if email_hash in seen:
            if not skip_duplicate_check:
                text = world.switches.duplicate_text.replace("{email}", email)
                outcomes.errors.append(_error(email, text, "ERROR_GENERIC"))
            continue
        seen.add(email_hash)
        try:
            outcomes.take(*_write_one(world, audience, body, one, writer))
        except Refusal as problem:
            outcomes.errors.append(_refused(email, problem))
    return outcomes


def _write_one(
    world: World, audience: Audience, body: Mapping[str, Any], one: Any, writer: Writer
) -> tuple[Member, bool]:
    """The member afterwards, and whether it is new."""
    wish = read_wish(one, ("email_address",), is_batch=True)
    if wish.status is None and wish.status_if_new is None:
        raise not_validated(("", "Required fields were not provided: status"))
    known = audience.by_hash.get(md5_of(wish.email or ""))
    if known is None or (not body.get("update_existing") and known.status != "archived"):
        return write_member(world, audience, None, wish, writer), True  # somebody known is refused there
    member = write_member(world, audience, known.contact_id, wish, writer)
    _sync_tags(world, audience, member, wish, replace_all=bool(body.get("sync_tags")))
    return member, False


def _sync_tags(world: World, audience: Audience, member: Member, wish: Wish, *, replace_all: bool) -> None:
    """On update: named tags are put on; with sync_tags every other one is taken off."""
    if not wish.tags and not replace_all:
        return
    wanted = {name.strip().casefold() for name in wish.tags}
    missing = [
        name for name in wish.tags if audience.tag_ids.get(name.strip().casefold()) not in member.tag_ids
    ]
    surplus = [
        audience.tags[tag_id].name
        for tag_id in member.tag_ids
        if replace_all and audience.tags[tag_id].name.casefold() not in wanted
    ]
    if missing or surplus:
        changes = [*((name, True) for name in missing), *((name, False) for name in surplus)]
        change_tags(world, audience, member, changes)


def _refused(email: str, problem: Refusal) -> dict[str, str]:
    if problem.title == "Member Exists":
        return _error(email, already_in_batch(email), "ERROR_CONTACT_EXISTS")
    field_name, message = problem.errors[0] if problem.errors else ("", "")
    return {**_error(email, problem.detail, "ERROR_GENERIC"), "field": field_name, "field_message": message}


def _error(email: str, text: str, code: str) -> dict[str, str]:
    return {"email_address": email, "error": text, "error_code": code, "field": "", "field_message": ""}
