"""What an opt-out at Mailchimp binds: the mapping of the audience's webhook says it, for whatever way it is learned by.

A webhook's opt-out goes through that mapping; one that is read, or that an answer shows, asks it the same question.
The preset's answer is every purpose, and so is that of a mapping that is not there or cannot say.
"""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audiences.simulated import AUDIENCE_SLUG
from app.audiences.views import AudienceView
from app.contacts.consent import EVERY_PURPOSE
from app.sources.mappings import compiled_mapping
from app.sources.models import Source
from mappings.language.event import EventInfo

INTEGRATION = "mailchimp"
SOMEBODY = "somebody@muster.example"
LEFT_BY_LINK = {"type": "unsubscribe", "action": "unsub", "reason": "manual"}
# What the webhook would have said, by the method of the opt-out. Of a compliance state nobody knows the reason.
TOLD: Mapping[str, Mapping[str, str]] = {
    "unsubscribe": LEFT_BY_LINK,
    "compliance": LEFT_BY_LINK,
    "abuse": {**LEFT_BY_LINK, "reason": "abuse"},
    "cleaned": {"type": "cleaned", "reason": "hard"},
}


def source_slug(audience_slug: str) -> str:
    """The slug of the source that an audience's webhook comes in by."""
    return INTEGRATION if audience_slug == AUDIENCE_SLUG else f"{INTEGRATION}-{audience_slug}"[:63]


def bound_purposes(session: Session, audience: AudienceView, method: str) -> tuple[str, ...]:
    """The purposes that an opt-out by `method` withdraws, the audience's own among them; ("*",) is every purpose."""
    slug = source_slug(audience.slug)
    version_id = session.scalar(select(Source.mapping_version_id).where(Source.slug == slug))
    if version_id is None:
        return (EVERY_PURPOSE,)
    told = {**TOLD[method], "list_id": audience.list_id, "email": SOMEBODY}
    result = compiled_mapping(session, version_id).apply(told, EventInfo(kind=told["type"], source=slug))
    said = {
        line.purpose
        for patch in result.patches
        for line in patch.consents
        if line.verdict == "withdrawn" and line.channel == audience.channel
    }
    is_everything = result.rejected is not None or EVERY_PURPOSE in said
    return (EVERY_PURPOSE,) if is_everything else tuple(sorted({*said, audience.purpose}))
