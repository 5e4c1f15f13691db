"""What an audience's settings are, in one short word: whether they are still those that a dry run looked at. Pure."""

import hashlib
import json

from app.audiences.models import Audience

# The settings that decide who is written, and what.
DECIDING = (
    "list_id",
    "channel",
    "purpose",
    "merge_fields",
    "tags",
    "interests",
    "marketing_permissions",
    "contact_id_field",
    "entry_rule",
    "is_double_opt_in",
    "on_leave",
    "on_return",
)


def settings_fingerprint(audience: Audience) -> str:
    """The same for the same settings, in whatever order they were given."""
    settings = {name: getattr(audience, name) for name in DECIDING}
    settings["tags"] = sorted(map(str, audience.tags))
    told = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()[:32]
