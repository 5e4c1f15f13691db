"""LinkedIn: lead notices (thin, signed, validated every two hours) and social notifications of a page.

Facts from https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation and
https://learn.microsoft.com/en-us/linkedin/marketing/lead-sync/leadsync (seen 2026-11-22).
"""

import hashlib
import hmac
import re
from datetime import datetime
from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    BackfillPage,
    Client,
    Event,
    Health,
    OAuthApp,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
    Verdict,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.signing import MISSING, Check, HmacScheme, UrlKey
from integrations.kit.strict_json import dump_json, load_json
from integrations.linkedin.leads import VERSION, LeadApi, ask_health, backfill_leads, is_version, list_owners
from integrations.linkedin.notices import is_lead_notice, split_notices

_SIGNATURE = HmacScheme(
    secret="client_secret",  # noqa: S106 -- the name of a setting
    header="x-li-signature",
    signed="hmacsha256={body}",
)
_URL_KEY = UrlKey()
# The code is signed with the key that signs deliveries, over `hmacsha256=` and the body. A code that may hold "=" would
# let a stranger have bodies of their own signed.
_CODE = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)
_NO = frozenset({"no", "false", "0", "off"})


class LinkedIn(BaseSource):
    """Leads by their number, then fetched; comments, mentions and reactions of a page whole."""

    name = "linkedin"
    label = "LinkedIn (leads, page notifications)"
    methods = frozenset({"GET", "POST"})
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    api_host = "api.linkedin.com"
    api_base_setting = "api_base_url"
    is_thin = True
    can_backfill = True
    oauth = OAuthApp(
        authorize_url="https://www.linkedin.com/oauth/v2/authorization",
        token_url="https://www.linkedin.com/oauth/v2/accessToken",  # noqa: S106 -- an address
        scopes=("r_marketing_leadgen_automation", "r_ads", "r_organization_admin"),
        token_base_setting="api_base_url",  # noqa: S106 -- the name of a setting
    )
    settings = (
        Setting("client_id", "Client ID", "Developer portal, your app, Auth."),
        Setting(
            "client_secret",
            "Client secret",
            "Developer portal, your app, Auth. It answers LinkedIn's check and proves every delivery.",
            is_secret=True,
            is_required=True,
            is_primary=True,
        ),
        Setting(
            "access_token",
            "Access token",
            "By the Connect button, or from LinkedIn's token tool. Lasts 60 days. Without it leads wait.",
            is_secret=True,
        ),
        Setting("refresh_token", "Refresh token", "Renews the access token for 365 days.", is_secret=True),
        Setting(
            "owners",
            "Owners of the leads",
            "Such as urn:li:sponsoredAccount:123, urn:li:organization:456: for the back-fill and the health check.",
        ),
        Setting(
            "require_signature",
            "Refuse unsigned lead notices",
            "yes, or no where LinkedIn does not sign them; then the address must end in the key below.",
            default="yes",
        ),
        Setting(
            "url_key",
            "Key in the address for unsigned lead notices",
            "Used only with require_signature=no: /hooks/<slug>/<key>.",
            is_secret=True,
            generated="token",
        ),
        Setting(
            "api_version",
            "API version",
            "Year and month; LinkedIn retires them after a year.",
            default=VERSION,
        ),
        Setting(
            "api_base_url",
            "LinkedIn API address",
            "Only for a stand-in on this machine: http://127.0.0.1:<port>.",
        ),
    )

    def __init__(self) -> None:
        self._leads = LeadApi()

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """LinkedIn's check, every two hours: its code signed with the client secret."""
        if request.method != "GET":
            return None
        code = request.param("challengeCode") or ""
        secrets = [secret for secret in config.secrets.get(_SIGNATURE.secret, ()) if secret.strip()]
        if not _CODE.fullmatch(code):
            return Reply(400)
        if not secrets:
            return Reply(403)
        answer = hmac.new(secrets[0].encode(), code.encode(), hashlib.sha256).hexdigest()
        body = dump_json({"challengeCode": code, "challengeResponse": answer})
        return Reply(200, body, "application/json")

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """By the signature; unsigned lead notices by the key in the address, where the admin lets them pass."""
        verdict = super().verify(request, config, now)
        requires = config.settings.get("require_signature", "yes").strip().lower() not in _NO
        if verdict != MISSING or requires or not _is_about_leads(request.body):
            return verdict
        return _URL_KEY.verify(request, config.secrets.get(_URL_KEY.secret, ()), now)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """One event a lead's action or a notification; everything else by its name."""
        return split_notices(request.body, config)

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The lead's answers beside its form, with each current token until one is accepted."""
        return self._leads.fetch_lead(event, config, client)

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
        """The leads of every owner since then, as notices."""
        return backfill_leads(config, since, cursor, client)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether every owner's subscription still leads here."""
        return ask_health(config, client)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps leads from coming in, or from being fetched."""
        problems = list(super().list_config_problems(config))
        if not any(config.secrets.get("access_token", ())):
            problems.append("Access token is not set; leads come in and wait, none can be fetched.")
        if not list(list_owners(config)):
            problems.append("Owners of the leads are not set; there is no back-fill and no health check.")
        if not is_version(config.settings.get("api_version") or VERSION):
            problems.append("API version is no version; write year and month, like 202606.")
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append(
                "LinkedIn API address may only be http://127.0.0.1:<port>; leave it empty otherwise."
            )
        return tuple(problems)


def _is_about_leads(body: bytes) -> bool:
    try:
        return is_lead_notice(load_json(body))
    except Unreadable:
        return False


source = LinkedIn()
