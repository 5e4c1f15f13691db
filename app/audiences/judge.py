"""Two values of one merge field: which stands, by the field's direction and by when each changed. Pure."""

from datetime import datetime
from typing import Any, Literal

from app.audiences.desire import is_newer
from app.audiences.formats import fill_address, is_same_value
from app.contacts.survivorship import is_blank

# same: nothing to do. take: theirs becomes a contact patch. keep: the contact stays as it is, and planning says whether
# ours is written. review: both stay until an admin says.
Judgement = Literal["same", "take", "keep", "review"]


def judge_field(
    direction: str,
    ours: Any,
    theirs: Any,
    *,
    ours_at: datetime | None,
    theirs_at: datetime,
    is_seen: bool,
) -> Judgement:
    """`is_seen`: the change of theirs was seen between two readings; else the member is read for the first time.

    Of a first reading nobody knows how old its values are, so time decides nothing then: what the contact has
    stays, what it lacks is filled in.
    """
    if is_same_value(ours, theirs):
        return "same"
    if is_blank(theirs) or direction == "ours":
        return "keep"
    is_gap = is_blank(ours) or is_same_value(fill_address(ours, theirs), theirs)
    if is_gap or direction == "theirs":
        return "take"
    if direction == "review":
        return "review"
    return "take" if is_seen and not is_newer(ours_at, theirs_at) else "keep"
