"""What the local Mailchimp was asked, against what people had said by then: nobody is brought back, nobody asked twice.

The judge knows nothing of Muster's ledger. It is told of every opt-out and every act of consent as they happen, reads
the simulator's journal request by request, and says what should not have been asked.

When an opt-out is "before" a request:
- known: Muster had processed it (a form, a row, a webhook, a reading of the member, an erasure): then no request may
  ask for `subscribed` or `pending` for the address, refused or not;
- happened: it was done at Mailchimp and Muster could not know yet: then no such request for that list may succeed.
Newer evidence is an act of the owner of the address (a confirmed form, Mailchimp's own form, the link in its mail) that
happened later than the opt-out and had happened before the request. What somebody typed or imported is none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SUBSCRIBING = frozenset({"subscribed", "pending"})
APPLIED = frozenset({"created", "updated", "unchanged"})


@dataclass
class OptOut:
    """`number` is the journal's last request when it happened, `known_number` when Muster had processed it."""

    email: str
    at: int
    number: int
    list_id: str = ""  # "" for every list
    known_number: int | None = None
    is_of_list: bool = False  # of this list only: archived or deleted there by staff
    what: str = ""


@dataclass(frozen=True)
class Consent:
    """Somebody said yes. Only `is_confirmed` lifts an opt-out; each line may be asked about by `pending` once."""

    email: str
    at: int
    number: int
    is_confirmed: bool


class Judge:
    """Collects what people said; `violations` looks at the requests since the last look."""

    def __init__(self) -> None:
        self.opt_outs: list[OptOut] = []
        self.consents: list[Consent] = []
        self.strangers: set[str] = set()
        self._asked: dict[tuple[str, str], int] = {}

    def withdraw(self, email: str, at: int, number: int, *, is_known: bool = True, **more: Any) -> OptOut:
        """Told of an opt-out."""
        said = OptOut(email.casefold(), at, number, known_number=number if is_known else None, **more)
        self.opt_outs.append(said)
        return said

    def agree(self, email: str, at: int, number: int, *, is_confirmed: bool) -> None:
        """Told of consent."""
        self.consents.append(Consent(email.casefold(), at, number, is_confirmed))

    def learn(self, email: str, list_id: str, number: int) -> None:
        """Muster has heard of what happened to this address on this list so far."""
        for said in self.opt_outs:
            if (said.email, said.list_id, said.known_number) == (email.casefold(), list_id, None):
                said.known_number = number

    def violations(self, entries: Iterable[dict[str, Any]]) -> list[str]:
        """What was asked that should not have been."""
        found: list[str] = []
        for entry in entries:
            for note in entry["notes"]:
                email = note["email"].casefold()
                if email in self.strangers:
                    found.append(f"request {entry['number']} writes a member that is not Muster's")
                if note["asked_status"] in SUBSCRIBING:
                    found += self._judge(entry, note, email)
        return found

    def _judge(self, entry: dict[str, Any], note: dict[str, Any], email: str) -> list[str]:
        number, list_id = entry["number"], note["list_id"]
        is_applied = note["outcome"] in APPLIED
        found = [
            f"request {number} asks for {note['asked_status']} ({note['outcome']}) of {email} on {list_id} after {said}"
            for said in self.opt_outs
            if said.email == email
            and self._stands(said, number)
            and self._counts(said, number, list_id, is_applied=is_applied)
        ]
        if note["asked_status"] == "pending" and is_applied:
            found += self._judge_asking(number, email, list_id)
        return found

    def _stands(self, said: OptOut, number: int) -> bool:
        return not any(
            one.is_confirmed and one.email == said.email and one.at > said.at and one.number < number
            for one in self.consents
        )

    @staticmethod
    def _counts(said: OptOut, number: int, list_id: str, *, is_applied: bool) -> bool:
        is_here = said.list_id in {"", list_id} or not said.is_of_list
        if said.known_number is not None and said.known_number < number:
            return is_here
        return is_applied and said.number < number and said.list_id == list_id

    def _judge_asking(self, number: int, email: str, list_id: str) -> list[str]:
        """Not again before anybody said yes again: consent is the person's, whose addresses change and who are merged."""
        before = self._asked.get((email, list_id), 0)
        self._asked[email, list_id] = number
        if not any(before <= one.number < number for one in self.consents):
            return [f"request {number} asks {email} on {list_id} again: nobody said yes since {before}"]
        return []
