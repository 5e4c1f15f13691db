"""What the sources of Meta's products share at the door: the hub challenge, the signature, their settings.

Facts from https://developers.facebook.com/docs/graph-api/webhooks/getting-started, seen 2026-11-22.
"""

from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import RawRequest, Reply, Setting, SourceConfig
from integrations.kit.fetch import is_stand_in
from integrations.kit.graph import GRAPH_ERRORS, GRAPH_HOST, GRAPH_VERSION, is_version, version_of
from integrations.kit.signing import Check, HmacScheme, Prefixed, is_same_token

SIGNATURE = HmacScheme(
    secret="app_secret",  # noqa: S106 -- the name of a setting
    header="x-hub-signature-256",
    layout=Prefixed("sha256="),
)
APP_SECRET = Setting(
    "app_secret",
    "App secret",
    "App dashboard, App settings, Basic. It signs every delivery.",
    is_secret=True,
    is_required=True,
    is_primary=True,
)
VERIFY_TOKEN = Setting(
    "verify_token",
    "Verify token",
    "Typed into the Webhooks page of the app dashboard; Meta sends it back when it checks the address.",
    is_secret=True,
    generated="token",
)
GRAPH_SETTINGS = (
    Setting(
        "graph_version",
        "Graph API version",
        "Such as v25.0; Meta retires versions after about two years.",
        default=GRAPH_VERSION,
    ),
    Setting(
        "graph_base_url",
        "Graph API address",
        "Only for a stand-in on this machine: http://127.0.0.1:<port>.",
    ),
)


class MetaSource(BaseSource):
    """A webhook of Meta. The signature has no time in it: a repeat is known by its bytes, and by the events' keys."""

    methods = frozenset({"GET", "HEAD", "POST"})
    checks: ClassVar[tuple[Check, ...]] = (SIGNATURE,)
    api_host = GRAPH_HOST
    api_base_setting = "graph_base_url"
    api_error_outcomes = GRAPH_ERRORS

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """The echo Meta asks for by GET; text/plain, never read as a number, and only for the right token."""
        if request.method not in ("GET", "HEAD"):
            return None
        tokens = config.secrets.get(VERIFY_TOKEN.name, ())
        is_subscribing = request.param("hub.mode") == "subscribe"
        echo = request.param("hub.challenge")
        if (
            not is_subscribing
            or echo is None
            or not is_same_token(request.param("hub.verify_token") or "", tokens)
        ):
            return Reply(403)
        return Reply(200, echo.encode(errors="replace"), headers=(("x-content-type-options", "nosniff"),))

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps deliveries from coming in, or the Graph API from being asked."""
        problems = list(super().list_config_problems(config))
        if not any(config.secrets.get(VERIFY_TOKEN.name, ())):
            problems.append(
                "Verify token is not set; Meta cannot check the address, so the webhook cannot be saved."
            )
        if not is_version(version_of(config)):
            problems.append("Graph API version is no version; write it like v25.0.")
        if not is_stand_in(config.settings.get(self.api_base_setting, "")):
            problems.append(
                "Graph API address may only be http://127.0.0.1:<port>; leave it empty otherwise."
            )
        return tuple(problems)
