"""Merge fields that were deleted and made again, as a reading of members shows it. Pure.

Mailchimp drops everybody's value with the field, and says of nobody that they were changed. Where the new one has the id
of the old one, the audience looks as it did, and only the members tell.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from app.audiences.known import Known
from app.audiences.load import LONG_AGO
from app.audiences.theirs import FieldNews, is_legible
from app.contacts.survivorship import is_blank
from integrations.mailchimp.answers import MemberState

FEWEST = 2  # one alone may have cleared it in the very second of our last look
BEFORE_ANYTHING = datetime.fromisoformat(LONG_AGO)


def date_back_wiped(
    news: Sequence[FieldNews], pairs: Sequence[tuple[Known, MemberState]]
) -> Sequence[FieldNews]:
    """What is blank for everybody who had a value, and of whom nobody was changed, is no change of theirs that is newer than ours."""
    blanks = [one for one in news if one.is_seen and is_blank(one.value)]
    if len(blanks) < FEWEST:
        return news
    read = [(known, state) for known, state in pairs if is_legible(known, state)]
    untouched = {known.contact_id for known, state in read if state.changed_at == known.last_changed}
    wiped = Counter(one.tag for one in blanks if one.contact_id in untouched)
    filled = Counter(
        tag
        for known, _ in read
        for tag, value in known.merge_fields.items()
        if tag in wiped and not is_blank(value)
    )
    anew = {tag for tag, count in wiped.items() if count >= FEWEST and count == filled[tag]}
    return [
        replace(one, changed_at=BEFORE_ANYTHING) if one.tag in anew and is_blank(one.value) else one
        for one in news
    ]
