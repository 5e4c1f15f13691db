"""Why somebody with consent is not written, or not wholly, in sentences for an admin. Pure."""

from collections.abc import Mapping

from app.audiences.valve import CALLS, Move
from app.audiences.views import AudienceView, ContactView, Mirror, Trouble
from integrations.mailchimp.answers import subscriber_hash

# Refusals that stay true for as long as the address stays the same.
REFUSED_ADDRESS = frozenset({"fake_address", "forgotten", "compliance", "archived_there"})
# Why somebody with consent stays out: (code, reason, what to do where the audience's form is no answer).
STAYS_OUT: Mapping[Move, tuple[str, str, str]] = {
    "on_hold": (
        "address_on_hold",
        "Mail to this address bounced, so Mailchimp holds it back.",
        "Ask the person for another address.",
    ),
    "forgotten": (
        "forgotten",
        "This address was permanently deleted from the audience; only the person can come back.",
        "",
    ),
    "archived_there": (
        "archived_there",
        "Somebody archived this member at Mailchimp, and Muster does not undo that.",
        "Unarchive the member in Mailchimp if that was a mistake.",
    ),
    "opted_out_there": (
        "opted_out_there",
        "The member is unsubscribed at Mailchimp; only the person can come back.",
        "",
    ),
    "asked_once": (
        "asked_once",
        "The person was asked once to confirm this consent and has not yet.",
        "",
    ),
}
# What the audience's form is no answer to: an address that bounced stays so.
NO_FORM: frozenset[Move] = frozenset({"on_hold"})
# The codes of those whom only they themselves can bring back, by the form.
BY_FORM = frozenset({code for move, (code, *_) in STAYS_OUT.items() if move not in NO_FORM} | {"compliance"})


def find_trouble(
    contact: ContactView, mirror: Mirror | None, audience: AudienceView, move: Move
) -> Trouble | None:
    """Why somebody who gave consent can still not be written; None when nothing stands in the way."""
    if contact.speaker_id is not None and contact.speaker_id != contact.contact_id:
        return Trouble(
            "shared_address",
            f"Contact {contact.speaker_id} stands for this address in this audience.",
            "Give this person an address of their own, merge the two, or let this one stand for it: `muster contacts speak`.",
        )
    if move not in CALLS:
        code, reason, hint = STAYS_OUT[move]
        return Trouble(code, reason, hint if move in NO_FORM else audience.form_hint or hint)
    if mirror is None or mirror.error_code not in REFUSED_ADDRESS:
        return None
    error = mirror.error or {}
    refused = mirror.refused_hash or ("" if mirror.status else mirror.member_hash)
    if refused != subscriber_hash(contact.email):
        return None
    return Trouble(mirror.error_code, str(error.get("reason", "")), str(error.get("hint", "")))


def unfit_trouble(unfit: tuple[str, ...]) -> Trouble | None:
    """What the admin is told of values that do not fit their merge field; the rest is sent without them."""
    if not unfit:
        return None
    return Trouble(
        "unfit_merge_field",
        f"The values for {', '.join(unfit)} do not fit those merge fields and were left out.",
        "Correct the value in the contact, or the field's type in the audience.",
    )
