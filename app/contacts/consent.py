"""What consent evidence adds up to. Pure: a lattice in which an opt-out is absorbing.

- A withdrawal counts for its purpose, or for every purpose of its channel when its purpose is "*".
- Nothing lifts it but newer evidence with proof "confirmed": the owner of the address acted. Claimed evidence, of any
  number and age, never does.
- A withdrawal about an address binds everybody who shares the address; consent of one of them is nobody else's.
- A withdrawal about the address that is to be written to is lifted only by a confirmation about that very address.
- An address that bounced for good is on hold, for everybody who has it; that is no opt-out of the person's, so it
  does not bind another address of theirs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

EVERY_PURPOSE = "*"
# The kind of address a channel writes to; a channel of its own (an app's push messages, say) has none.
CHANNEL_ADDRESS_KIND = {"email": "email", "sms": "phone", "phone": "phone", "whatsapp": "phone"}
BOUNCED = "cleaned"  # the method of a withdrawal that is a hard bounce
PROOF_RANK = {"claimed": 0, "confirmed": 1}

Status = Literal["given", "withdrawn", "none"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line of the ledger as one contact sees it. `address` is a match value, "" = about the person."""

    id: int
    channel: str
    purpose: str
    verdict: str  # given | withdrawn
    proof: str  # claimed | confirmed
    occurred_at: datetime
    received_at: datetime
    address: str = ""
    method: str = ""
    is_own: bool = True  # False: of somebody else who shares the address

    @property
    def effective_at(self) -> datetime:
        """Nothing happens after we have heard of it, whatever a sender's clock says."""
        return min(self.occurred_at, self.received_at)

    @property
    def rank(self) -> tuple[int, datetime, int]:
        return (PROOF_RANK[self.proof], self.effective_at, self.id)


@dataclass(frozen=True, slots=True)
class ConsentStatus:
    """A status, the line of the ledger that decides it, and the proof behind it ("" when there is none)."""

    status: Status
    evidence: Evidence | None = None
    proof: str = ""

    @property
    def decided_at(self) -> datetime | None:
        return self.evidence.effective_at if self.evidence else None


NO_CONSENT = ConsentStatus("none")


def decide(evidence: Iterable[Evidence], channel: str, purpose: str, address: str = "") -> ConsentStatus:
    """The status of one contact for a channel and purpose, where `address` is the one that would be written to.

    `evidence` is the contact's own and that of others about any of its addresses, in any order.
    """
    lines = [line for line in evidence if line.channel == channel]
    given = [line for line in lines if line.verdict == "given" and line.purpose == purpose]
    withdrawn = [
        line
        for line in lines
        if line.verdict == "withdrawn" and line.purpose in (purpose, EVERY_PURPOSE) and _binds(line, address)
    ]
    standing = [line for line in withdrawn if not any(_lifts(proof, line, address) for proof in given)]
    if standing:
        strictest = max(standing, key=lambda line: line.rank)
        return ConsentStatus("withdrawn", strictest, strictest.proof)
    own = [line for line in given if line.is_own]
    if not own:
        return NO_CONSENT
    best = max(own, key=lambda line: line.rank)
    return ConsentStatus("given", best, best.proof)


def _binds(withdrawal: Evidence, address: str) -> bool:
    """A hold binds its own address only; where nobody knows which one would be written to, it binds."""
    is_hold = withdrawal.method == BOUNCED and withdrawal.address != ""
    return not is_hold or address in {"", withdrawal.address}


def _lifts(proof: Evidence, withdrawal: Evidence, address: str) -> bool:
    if proof.proof != "confirmed" or proof.effective_at <= withdrawal.effective_at:
        return False
    if not proof.is_own:
        return not withdrawal.is_own and proof.address == withdrawal.address != ""
    if "" in (proof.address, withdrawal.address) or proof.address == withdrawal.address:
        return True
    return withdrawal.address != address == proof.address


def find_refusal(evidence: Iterable[Evidence], claim: Evidence, address: str = "") -> Evidence | None:
    """The withdrawal that stood when consent was stated, and was not lifted by it; None where the statement counted."""
    if claim.verdict != "given":
        return None
    known = [line for line in evidence if line.effective_at <= claim.effective_at]
    status = decide(known, claim.channel, claim.purpose, address)
    return status.evidence if status.status == "withdrawn" else None


def say_purpose(purpose: str) -> str:
    """A purpose for people."""
    return "everything" if purpose == EVERY_PURPOSE else purpose


def may_subscribe(evidence: Iterable[Evidence], channel: str, purpose: str, address: str = "") -> bool:
    """Whether a request that would subscribe this contact may leave: only with consent that stands."""
    return decide(evidence, channel, purpose, address).status == "given"


def decide_all(
    evidence: Sequence[Evidence], address_of_kind: Callable[[str], str]
) -> dict[tuple[str, str], ConsentStatus]:
    """Every (channel, purpose) that the ledger speaks of; `address_of_kind` answers the one that would be written to.

    A withdrawal of every purpose shows as the purpose "*" and in each purpose known for the channel.
    """
    pairs = {(line.channel, line.purpose) for line in evidence}
    statuses = {
        (channel, purpose): decide(
            evidence, channel, purpose, address_of_kind(CHANNEL_ADDRESS_KIND.get(channel, ""))
        )
        for channel, purpose in pairs
    }
    return {pair: status for pair, status in statuses.items() if status.status != "none"}
