"""Mailchimp accounts as the console shows them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audiences.account import SETTINGS_SLUG, list_accounts
from app.audiences.simulated import DESTINATION_SLUG
from app.core.config import Settings
from app.web.queries.alerts import AlertLine, list_alert_lines
from app.web.queries.audiences import split_state

USED_BY = text("""
    SELECT d.slug, a.slug AS audience, coalesce(nullif(a.label, ''), a.slug) AS label
    FROM audiences a JOIN destinations d ON d.id = a.destination_id ORDER BY a.slug
""")


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account. `is_of_settings`: its key comes from the settings, so it is not changed here."""

    slug: str
    label: str
    login: str  # api_key, oauth
    account: str
    base_url: str
    state: str  # ready, paused, waiting
    reason: str
    paused_at: datetime | None
    is_simulator: bool
    is_of_settings: bool
    audiences: tuple[tuple[str, str], ...]  # slug, label
    alerts: tuple[AlertLine, ...]


def list_account_lines(session: Session, settings: Settings) -> tuple[AccountLine, ...]:
    """Every account, by slug."""
    alerts = [one for one in list_alert_lines(session) if one.kind == "destination"]
    used = session.execute(USED_BY).all()
    lines = []
    for one in list_accounts(session):
        state, reason = split_state(one["state"])
        slug = one["slug"]
        is_simulator = slug == DESTINATION_SLUG
        lines.append(
            AccountLine(
                slug,
                one["label"] or slug,
                one["login"],
                one["account"],
                one["base_url"],
                state,
                reason,
                one["paused_at"],
                is_simulator,
                is_simulator or (slug == SETTINGS_SLUG and bool(settings.mailchimp_api_key)),
                tuple((row.audience, row.label) for row in used if row.slug == slug),
                tuple(alert for alert in alerts if alert.slug == slug),
            )
        )
    return tuple(lines)
