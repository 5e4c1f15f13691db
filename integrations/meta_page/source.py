"""Meta Page: posts, comments, reactions, mentions and reviews on a Facebook Page, and messages to it by Messenger.

Facts from https://developers.facebook.com/docs/graph-api/webhooks/reference/page and
https://developers.facebook.com/docs/messenger-platform/webhooks, seen 2026-11-22.
"""

from integrations.kit.contract import (
    Client,
    Event,
    Health,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
)
from integrations.kit.gather import bounded_name, gather
from integrations.kit.graph import check_subscription, is_object_id
from integrations.kit.messages import KEEPS_PRIVATE_TEXT, without_private_text
from integrations.kit.meta import APP_SECRET, GRAPH_SETTINGS, VERIFY_TOKEN, MetaSource
from integrations.kit.meta_envelope import Part, read_envelope
from integrations.kit.meta_messaging import READS_STANDBY, blank_messaging, read_messaging
from integrations.meta_page.feed import FIELDS, read_change

_TOKEN = "page_token"  # noqa: S105 -- the name of a setting
_WATCHED = FIELDS | {"messages"}
_OTHER_OBJECT = "not of a Page: another integration reads it"
_NOTHING = "an entry with nothing in it"
_OTHER_FIELD = "this field is not read here"
_LEADS = "leads are read by a source of meta_leads"


class MetaPage(MetaSource):
    """What people say to a Page, in public and by Messenger; nothing of it needs to be fetched."""

    name = "meta_page"
    label = "Meta Page (Facebook, Messenger)"
    settings = (
        APP_SECRET,
        VERIFY_TOKEN,
        KEEPS_PRIVATE_TEXT,
        READS_STANDBY,
        Setting(
            "page_id", "Page id", "Digits. With it and a token Muster sees whether the Page still sends."
        ),
        Setting(
            _TOKEN,
            "Page access token",
            "Long-lived, with pages_manage_metadata. Only for seeing whether the Page still sends.",
            is_secret=True,
        ),
        *GRAPH_SETTINGS,
    )

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:
        """The body less the words of private messages, unless the source keeps them."""
        return without_private_text(request.body, config, blank_messaging)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """One event for each thing said or done by somebody else; everything else by its name."""
        envelope = read_envelope(request.body, _WATCHED)
        return gather(_read(part, envelope.object or "page", config) for part in envelope.parts)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether an app on the Page still gets one of the fields read here."""
        page_id = config.settings.get("page_id", "").strip()
        return check_subscription(page_id, _WATCHED, config, client, _TOKEN)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps deliveries from coming in, or the Page from being watched."""
        problems = list(super().list_config_problems(config))
        page_id = config.settings.get("page_id", "").strip()
        if page_id and not is_object_id(page_id):
            problems.append("Page id is no number; it stands on the Page under About, Page transparency.")
        return tuple(problems)


def _read(part: Part, kind: str, config: SourceConfig) -> Event | Ignored:
    if kind != "page":
        return Ignored(bounded_name(kind, part.field or part.kind), _OTHER_OBJECT)
    if part.kind == "nothing":
        return Ignored("entry", _NOTHING)
    if part.kind != "change":
        return read_messaging(part, config)
    if part.field in FIELDS:
        return read_change(part)
    return Ignored(part.field, _LEADS if part.field == "leadgen" else _OTHER_FIELD)


source = MetaPage()
