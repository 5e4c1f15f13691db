"""mention.com by Zapier's "POST": unsigned, so the key in the address is the proof."""

from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import RawRequest, Setting, SourceConfig, Split
from integrations.kit.forms import strict_form
from integrations.kit.signing import Check, UrlKey
from integrations.kit.strict_json import load_json
from integrations.mention.mentions import split_mentions

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class MentionDotCom(BaseSource):
    """Public mentions with the influence of whoever wrote; nobody becomes a contact."""

    name = "mention"
    label = "mention.com (social listening)"
    checks: ClassVar[tuple[Check, ...]] = (UrlKey(),)
    settings = (
        Setting(
            "url_key",
            "Key in the address",
            "The last part of the hook's URL: the only proof of a delivery.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
    )

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event a mention, from JSON or from a form."""
        content_type = request.header("content-type") or ""
        if content_type.strip().lower().startswith(_FORMS):
            return split_mentions(strict_form(request.body, content_type))
        return split_mentions(load_json(request.body))


source = MentionDotCom()
