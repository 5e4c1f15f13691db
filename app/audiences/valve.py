"""The consent valve: which status a call may ask for. Pure; the only place where `subscribed` is ever chosen.

Two things are weighed: what the ledger says (`Standing`) and what Mailchimp last said (a member's status).
Moves that Mailchimp allows: reference texts of its consent guide, seen 2026-11.
"""

from dataclasses import dataclass
from typing import Literal

Ledger = Literal["given", "withdrawn", "none"]

# "forgotten" is ours: Mailchimp refused the address because it was permanently deleted there.
OPTED_OUT_THERE = frozenset({"unsubscribed", "cleaned", "forgotten"})
REACHABLE_THERE = frozenset({"subscribed", "pending", "transactional"})
SUBSCRIBING = frozenset({"subscribed", "pending"})
SAFE_IF_NEW = "unsubscribed"  # a member made with it is never mailed


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger adds up to for one contact, channel and purpose.

    `is_address_blocked`: somebody else at the same address opted out; the strictest consent of a household wins.
    """

    ledger: Ledger = "none"
    is_address_blocked: bool = False

    @property
    def is_admitted(self) -> bool:
        return self.ledger == "given" and not self.is_address_blocked

    @property
    def is_opted_out(self) -> bool:
        return self.ledger == "withdrawn" or self.is_address_blocked


def status_if_new(standing: Standing, remote_status: str, *, is_double_opt_in: bool) -> str:
    """The `status_if_new` of a profile write; it counts only where Mailchimp does not know the member.

    Anything but given consent without a known opt-out makes a member who is not mailed, should one be made at all.
    """
    if not standing.is_admitted or remote_status in OPTED_OUT_THERE:
        return SAFE_IF_NEW
    return "pending" if is_double_opt_in else "subscribed"


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
