"""TikTok: signed with the time, tried again for 72 hours, without an id of its own."""

from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import RawRequest, Setting, SourceConfig, Split
from integrations.kit.messages import KEEPS_PRIVATE_TEXT, without_private_text
from integrations.kit.signing import Check, HmacScheme, Pairs
from integrations.tiktok.events import blank_private_words, split_events

# https://developers.tiktok.com/doc/webhooks-verification (seen 2026-11-22): t=<seconds>,s=<hex>; the tolerance is ours.
_SIGNATURE = HmacScheme(
    secret="client_secret",  # noqa: S106 -- the name of a setting
    header="tiktok-signature",
    layout=Pairs("s"),
    signed="{timestamp}.{body}",
    tolerance_seconds=300,
)


class TikTok(BaseSource):
    """A try again has a new time in its signature and the same body: repeats are known by the body."""

    name = "tiktok"
    label = "TikTok"
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    settings = (
        Setting(
            "client_secret",
            "Client secret",
            "Developer portal, your app, App details. It proves every delivery.",
            is_secret=True,
            is_required=True,
            is_primary=True,
        ),
        KEEPS_PRIVATE_TEXT,
    )

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:
        """The body, less the words of direct messages unless the source keeps them."""
        if b"im_" not in request.body:
            return request.body
        return without_private_text(request.body, config, blank_private_words)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """Leads and messages; pings and our own posts by name."""
        return split_events(request.body, config)


source = TikTok()
