"""Meta Lead Ads: the leadgen webhook of a Page, and the lead fetched from the Graph API.

Facts from Meta's pages on webhooks and lead retrieval (https://developers.facebook.com/docs/graph-api/webhooks/getting-started,
https://developers.facebook.com/docs/marketing-api/guides/lead-ads/retrieving, seen 2026-11-22).
"""

from datetime import datetime

from integrations.kit.contract import (
    BackfillPage,
    Client,
    Event,
    Health,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
)
from integrations.kit.graph import check_subscription, is_object_id
from integrations.kit.meta import APP_SECRET, GRAPH_SETTINGS, VERIFY_TOKEN, MetaSource
from integrations.meta_leads.backfill import fetch_page, list_form_ids
from integrations.meta_leads.changes import split_changes
from integrations.meta_leads.leads import TOKEN, fetch_lead


class MetaLeads(MetaSource):
    """Leads of instant forms: signed, in batches of up to 1,000, ids only; the rest is fetched."""

    name = "meta_leads"
    label = "Meta Lead Ads (Facebook, Instagram)"
    is_thin = True
    can_backfill = True
    settings = (
        APP_SECRET,
        VERIFY_TOKEN,
        Setting(
            TOKEN,
            "Page access token",
            "Long-lived, of a person or system user with leads_retrieval on the Page. Without it leads wait.",
            is_secret=True,
        ),
        Setting(
            "page_id",
            "Page id",
            "Digits. With it Muster sees whether the Page still sends, and fetches leads that went missing.",
        ),
        Setting(
            "form_ids",
            "Forms to fetch missing leads of",
            "Ids with commas between them; empty = all forms of the Page.",
        ),
        *GRAPH_SETTINGS,
    )

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event a leadgen change; everything else by its name."""
        return split_changes(request.body)

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The lead's answers, with each current token until one is accepted."""
        return fetch_lead(event, config, client)

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
        """One page of one form's leads, ids only, as the webhook would have brought them."""
        return fetch_page(config, since, cursor, client)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether an app on the Page still gets leadgen."""
        page_id = config.settings.get("page_id", "").strip()
        return check_subscription(page_id, ("leadgen",), config, client, TOKEN)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps leads from coming in, or from being fetched."""
        problems = list(super().list_config_problems(config))
        if not any(config.secrets.get(TOKEN, ())):
            problems.append("Page access token is not set; leads come in and wait, none can be fetched.")
        page_id = config.settings.get("page_id", "").strip()
        if page_id and not is_object_id(page_id):
            problems.append("Page id is no number; it stands on the Page under About, Page transparency.")
        if not all(is_object_id(form) for form in list_form_ids(config)):
            problems.append("Forms to fetch missing leads of: write ids (digits) with commas between them.")
        return tuple(problems)


source = MetaLeads()
