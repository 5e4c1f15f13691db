"""The consent valve: which status a call may ask for. Pure; the only place where `subscribed` is ever chosen.

Two things are weighed: what the ledger says (`Standing`) and what Mailchimp last said of the member (`Remote`).
Moves that Mailchimp allows: reference texts of its consent guide, seen 2026-11.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

Ledger = Literal["given", "withdrawn", "none"]

# "forgotten" is ours: Mailchimp refused the address because it was permanently deleted there.
OPTED_OUT_THERE = frozenset({"unsubscribed", "cleaned", "forgotten"})
REACHABLE_THERE = frozenset({"subscribed", "pending", "transactional"})
ADDRESS_HOLDS = frozenset({"cleaned", "forgotten"})  # of the address, not of the person
SUBSCRIBING = frozenset({"subscribed", "pending"})
# "N/A (Unsubscribed by admin)" in recorded answers of 2021, for staff and for the API.
BY_STAFF = re.compile(r"\bby (?:an? |the )?(?:admin|api)\b", re.IGNORECASE)
SAFE_IF_NEW = "unsubscribed"  # a member made with it is never mailed

# What somebody whose consent stands may be given. make: a member, new or unknown to us. profile: values, no status.
# join: a decided status, for whom Mailchimp holds nothing against. ask: `pending`, once for each new consent; only the
# person's own click goes further. The others are no call: why the person stays out, and what an admin can do.
Move = Literal[
    "make",
    "profile",
    "join",
    "ask",
    "on_hold",
    "forgotten",
    "archived_there",
    "opted_out_there",
    "asked_once",
]
CALLS = frozenset({"make", "profile", "join", "ask"})


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What the ledger adds up to for one contact, channel and purpose.

    `is_address_blocked`: somebody else at the same address opted out; the strictest consent of a household wins.
    `evidence_id` is the line that decides; `is_confirmed` that the owner of the address acted, which alone lifts
    an opt-out.
    """

    ledger: Ledger = "none"
    is_address_blocked: bool = False
    evidence_id: int | None = None
    is_confirmed: bool = False

    @property
    def is_admitted(self) -> bool:
        return self.ledger == "given" and not self.is_address_blocked

    @property
    def is_opted_out(self) -> bool:
        return self.ledger == "withdrawn" or self.is_address_blocked


@dataclass(frozen=True, slots=True)
class Remote:
    """What Mailchimp holds of a member, as far as it decides about coming back.

    `is_out_by_us`: Muster itself took the member out, so that nothing of the person's own stands in the way.
    `is_same_address`: the address that would be written to is the member's.
    """

    status: str = ""
    is_out_by_us: bool = False
    asked_evidence_id: int | None = None
    is_same_address: bool = True


# By status and whether Muster itself took them out. "unsubscribed" by others is for `_ask_or_not`.
MOVES: Mapping[tuple[str, bool], Move] = {
    ("", False): "make",
    ("", True): "join",
    ("subscribed", False): "profile",
    ("subscribed", True): "profile",
    ("pending", False): "profile",
    ("pending", True): "profile",
    ("transactional", False): "join",
    ("transactional", True): "join",
    ("unsubscribed", True): "join",
    ("archived", True): "join",
    ("archived", False): "archived_there",
    ("cleaned", False): "on_hold",
    ("cleaned", True): "on_hold",
    ("forgotten", False): "forgotten",
    ("forgotten", True): "forgotten",
}


def admitted_move(standing: Standing, remote: Remote, on_return: str) -> Move:
    """What may be done for somebody whose consent stands (`standing.is_admitted`)."""
    if remote.status in ADDRESS_HOLDS and not remote.is_same_address:
        return "make"  # the hold is the old address's
    move = MOVES.get((remote.status, remote.is_out_by_us))
    if move == "join" and remote.status == "unsubscribed" and remote.is_same_address:
        return (
            "asked_once" if _is_asked(standing, remote) else "join"
        )  # asked and taken out before they answered
    if move is not None:
        return move
    return _ask_or_not(standing, remote, on_return)


def _ask_or_not(standing: Standing, remote: Remote, on_return: str) -> Move:
    """Out by the person's own doing or by staff's: once for each confirmed consent, never by what somebody typed."""
    if not standing.is_confirmed or standing.evidence_id is None or on_return != "pending_once":
        return "opted_out_there"
    return "asked_once" if _is_asked(standing, remote) else "ask"


def _is_asked(standing: Standing, remote: Remote) -> bool:
    return standing.evidence_id is not None and remote.asked_evidence_id == standing.evidence_id


def entry_status(*, is_double_opt_in: bool) -> str:
    """What a member whose consent stands is made as: on a double opt-in audience the person confirms first.

    Mailchimp does not enforce it: `subscribed` subscribes without a mail there too, so the decision is ours.
    """
    return "pending" if is_double_opt_in else "subscribed"


def status_if_new(standing: Standing, remote_status: str, *, is_double_opt_in: bool) -> str:
    """The `status_if_new` of a profile write; it counts only where Mailchimp does not know the member.

    Anything but given consent without a known opt-out makes a member who is not mailed, should one be made at all.
    """
    if not standing.is_admitted or remote_status in OPTED_OUT_THERE:
        return SAFE_IF_NEW
    return entry_status(is_double_opt_in=is_double_opt_in)


def return_status(unsubscribe_reason: str, *, is_double_opt_in: bool) -> str:
    """The status that may bring an unsubscribed member with new, confirmed consent back.

    Whom staff or the API unsubscribed comes back at once; whoever left by themselves is asked.
    """
    is_by_staff = BY_STAFF.search(unsubscribe_reason) is not None
    return entry_status(is_double_opt_in=is_double_opt_in) if is_by_staff else "pending"


def is_own_opt_out(unsubscribe_reason: str) -> bool:
    """Whether Mailchimp names another reason than staff or the API: then a write of ours found the person gone already."""
    return unsubscribe_reason != "" and BY_STAFF.search(unsubscribe_reason) is None


def must_unsubscribe(standing: Standing, remote_status: str, *, is_uncertain: bool) -> bool:
    """True when the ledger says no while Mailchimp may still mail the member."""
    return standing.is_opted_out and (is_uncertain or remote_status in REACHABLE_THERE)


def settle_ledger(
    purpose_status: str | None, all_status: str | None, *, is_purpose_confirmed_later: bool
) -> Ledger:
    """One verdict from the purpose's own row and the row of every purpose ("*").

    A withdrawal of everything stands unless the purpose was given again later with proof by the person.
    """
    if purpose_status == "withdrawn":
        return "withdrawn"
    if all_status == "withdrawn" and not (purpose_status == "given" and is_purpose_confirmed_later):
        return "withdrawn"
    return "given" if purpose_status == "given" else "none"
