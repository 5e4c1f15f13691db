"""What Muster looks at in a member as Mailchimp tells it: managed values, and the opt-out that it may show. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from app.audiences.views import AudienceView
from integrations.mailchimp.answers import MemberState

OPT_OUT_METHODS: Mapping[str, str] = {"unsubscribed": "unsubscribe", "cleaned": "cleaned"}
# What Mailchimp's reason for an unsubscribe says of somebody who reported the mail; its webhook names them by `abuse`.
COMPLAINT = re.compile(r"\b(?:abuse|spam|complain\w*)\b", re.IGNORECASE)


def managed_tags(state: MemberState, audience: AudienceView) -> tuple[str, ...]:
    """The managed tags that a member has, in our spelling; staff's tags are left out of sight."""
    if not state.tags:
        return ()
    there = {tag.casefold() for tag in state.tags}
    return tuple([tag for tag, folded in audience.tag_order if folded in there])


def mapped_fields(state: MemberState, audience: AudienceView) -> dict[str, Any]:
    """The merge fields that Muster fills, as Mailchimp has them."""
    mapped = audience.mapped_tags
    return {tag: value for tag, value in state.merge_fields.items() if tag in mapped}


def managed_interests(state: MemberState, audience: AudienceView) -> dict[str, bool]:
    """The interests that Muster sets, as Mailchimp has them."""
    there = state.interests
    return {one: bool(there[one]) for one in audience.interests if one in there}


def opt_out_method(state: MemberState) -> str:
    """The method of the opt-out that a member's state shows, by the webhook's words; "" where it shows none."""
    method = OPT_OUT_METHODS.get(state.status, "")
    return "abuse" if method and COMPLAINT.search(state.unsubscribe_reason) else method


def managed_permissions(state: MemberState, audience: AudienceView) -> dict[str, bool]:
    """The marketing permissions that Muster sets, as Mailchimp has them."""
    there = state.marketing_permissions
    return {one: bool(there[one]) for one in audience.marketing_permissions if one in there}
