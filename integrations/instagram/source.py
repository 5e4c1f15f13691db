"""Instagram: what people say on and to a professional account, by Facebook Login or by Instagram Login.

Facts from https://developers.facebook.com/docs/instagram-platform/webhooks, seen 2026-11-22.
"""

from integrations.instagram.comments import COMMENTS, MENTIONS, read_comment, read_mention
from integrations.instagram.mentions import TOKEN, fetch_mention
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
from integrations.kit.graph import GRAPH_HOST, check_subscription, is_object_id
from integrations.kit.messages import KEEPS_PRIVATE_TEXT, without_private_text
from integrations.kit.meta import APP_SECRET, GRAPH_SETTINGS, VERIFY_TOKEN, MetaSource
from integrations.kit.meta_envelope import Part, read_envelope
from integrations.kit.meta_messaging import READS_STANDBY, blank_messaging, read_messaging

_INSTAGRAM_HOST = "graph.instagram.com"
_WATCHED = COMMENTS | MENTIONS | {"messages"}
_OTHER_OBJECT = "not of Instagram: another integration reads it"
_NOTHING = "an entry with nothing in it"
_OTHER_FIELD = "this field is not read here"


class Instagram(MetaSource):
    """Comments and messages come whole, mentions as ids: their words are fetched."""

    name = "instagram"
    label = "Instagram"
    api_hosts = frozenset({_INSTAGRAM_HOST})
    api_host_setting = "graph_host"
    settings = (
        APP_SECRET,
        VERIFY_TOKEN,
        KEEPS_PRIVATE_TEXT,
        READS_STANDBY,
        Setting(
            TOKEN,
            "Access token",
            "Long-lived, with instagram_manage_comments. Without it mentions wait.",
            is_secret=True,
        ),
        Setting(
            "graph_host",
            "Host of the Graph API",
            f"{GRAPH_HOST} for apps with Facebook Login, {_INSTAGRAM_HOST} for those with Instagram Login.",
            default=GRAPH_HOST,
        ),
        Setting(
            "watched_id",
            "Id of what is subscribed",
            "With Facebook Login the Page's, with Instagram Login the account's (digits). With it Muster sees whether it still sends.",
        ),
        *GRAPH_SETTINGS,
    )

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:
        """The body less the words of private messages, unless the source keeps them."""
        return without_private_text(request.body, config, blank_messaging)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """One event for each thing said by somebody else; everything else by its name."""
        envelope = read_envelope(request.body, _WATCHED)
        return gather(_read(part, envelope.object or "instagram", config) for part in envelope.parts)

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The words of a mention, with each current token until one is accepted."""
        return fetch_mention(event, config, client)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether the app is still subscribed. With Facebook Login it is the Page that is, whatever its own fields."""
        watched_id = config.settings.get("watched_id", "").strip()
        wanted = _WATCHED if _has_instagram_login(config) else frozenset[str]()
        return check_subscription(watched_id, wanted, config, client, TOKEN)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps deliveries from coming in, or mentions from being fetched."""
        problems = list(super().list_config_problems(config))
        if not any(config.secrets.get(TOKEN, ())) and not _has_instagram_login(config):
            problems.append("Access token is not set; comments and messages come in, mentions wait.")
        if config.settings.get("graph_host", "").strip() not in ("", GRAPH_HOST, _INSTAGRAM_HOST):
            problems.append(f"Host of the Graph API: write {GRAPH_HOST} or {_INSTAGRAM_HOST}.")
        watched = config.settings.get("watched_id", "").strip()
        if watched and not is_object_id(watched):
            problems.append("Id of what is subscribed is no number; it is the Page's or the account's id.")
        return tuple(problems)


def _has_instagram_login(config: SourceConfig) -> bool:
    """Meta lets only apps with Facebook Login ask for mentions."""
    return config.settings.get("graph_host", "").strip() == _INSTAGRAM_HOST


def _read(part: Part, kind: str, config: SourceConfig) -> Event | Ignored:
    if kind != "instagram":
        return Ignored(bounded_name(kind, part.field or part.kind), _OTHER_OBJECT)
    if part.kind == "nothing":
        return Ignored("entry", _NOTHING)
    # With Instagram Login messages may come as changes too: what stands in their value says so.
    if part.kind != "change" or (isinstance(part.value, dict) and "sender" in part.value):
        return read_messaging(part, config)
    if part.field in COMMENTS:
        return read_comment(part)
    if part.field in MENTIONS:
        return read_mention(part, is_fetched=not _has_instagram_login(config))
    return Ignored(part.field, _OTHER_FIELD)


source = Instagram()
