"""Meta Lead Ads: the leadgen webhook of a Page, and the lead fetched from the Graph API.

Facts from Meta's pages on webhooks and lead retrieval (https://developers.facebook.com/docs/graph-api/webhooks/getting-started,
https://developers.facebook.com/docs/marketing-api/guides/lead-ads/retrieving, seen 2026-11-21).
"""

from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    Client,
    EnrichError,
    Event,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.signing import Check, HmacScheme, Prefixed, is_same_token
from integrations.meta_leads.changes import split_changes
from integrations.meta_leads.leads import GRAPH_ERRORS, fetch_lead, is_version

_SIGNATURE = HmacScheme(
    secret="app_secret",  # noqa: S106 -- the name of a setting
    header="x-hub-signature-256",
    layout=Prefixed("sha256="),
)
_VERSION = "v25.0"
_MISSING = "the source has no page token, so leads cannot be fetched"
_MISSING_HINT = "Make a long-lived Page token and set it on the source as page_token."


class MetaLeads(BaseSource):
    """Leads of instant forms: signed, in batches of up to 1,000, ids only; the rest is fetched.

    The signature has no time in it. A repeat is known by its bytes, and a lead in another batch by its event's key.
    """

    name = "meta_leads"
    label = "Meta Lead Ads (Facebook, Instagram)"
    methods = frozenset({"GET", "HEAD", "POST"})
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    api_host = "graph.facebook.com"
    api_base_setting = "graph_base_url"
    api_error_outcomes = GRAPH_ERRORS
    settings = (
        Setting(
            "app_secret",
            "App secret",
            "App dashboard, App settings, Basic. It signs every delivery.",
            is_secret=True,
            is_required=True,
            is_primary=True,
        ),
        Setting(
            "verify_token",
            "Verify token",
            "Typed into the Webhooks page of the app dashboard; Meta sends it back when it checks the address.",
            is_secret=True,
            generated="token",
        ),
        Setting(
            "page_token",
            "Page access token",
            "Long-lived, of a person or system user with leads_retrieval on the Page. Without it leads wait.",
            is_secret=True,
        ),
        Setting(
            "graph_version",
            "Graph API version",
            "Such as v25.0; Meta retires versions after about two years.",
            default=_VERSION,
        ),
        Setting(
            "graph_base_url",
            "Graph API address",
            "Only for a stand-in on this machine: http://127.0.0.1:<port>.",
        ),
    )

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """The echo Meta asks for by GET; text/plain, never read as a number, and only for the right token."""
        if request.method not in ("GET", "HEAD"):
            return None
        tokens = config.secrets.get("verify_token", ())
        is_subscribing = request.param("hub.mode") == "subscribe"
        echo = request.param("hub.challenge")
        if (
            not is_subscribing
            or echo is None
            or not is_same_token(request.param("hub.verify_token") or "", tokens)
        ):
            return Reply(403)
        return Reply(200, echo.encode(errors="replace"), headers=(("x-content-type-options", "nosniff"),))

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event a leadgen change; everything else by its name."""
        return split_changes(request.body)

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The lead's answers, with each current token until one is accepted."""
        version = config.settings.get("graph_version") or _VERSION
        refusal = EnrichError("blocked_credentials", _MISSING, _MISSING_HINT)
        for token in config.secrets.get("page_token", ()):
            try:
                return fetch_lead(event, token, version, client)
            except EnrichError as error:
                if error.outcome != "blocked_credentials":
                    raise
                refusal = error
        raise refusal

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps leads from coming in, or from being fetched."""
        problems = list(super().list_config_problems(config))
        if not any(config.secrets.get("verify_token", ())):
            problems.append(
                "Verify token is not set; Meta cannot check the address, so the webhook cannot be saved."
            )
        if not any(config.secrets.get("page_token", ())):
            problems.append("Page access token is not set; leads come in and wait, none can be fetched.")
        if not is_version(config.settings.get("graph_version") or _VERSION):
            problems.append("Graph API version is no version; write it like v25.0.")
        if not is_stand_in(config.settings.get("graph_base_url", "")):
            problems.append(
                "Graph API address may only be http://127.0.0.1:<port>; leave it empty otherwise."
            )
        return tuple(problems)


source = MetaLeads()
