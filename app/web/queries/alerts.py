"""What wants an admin now - audiences, accounts, sources - with the next step and the page or button for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.audiences.alerts import Alert, list_alerts
from app.audiences.configure import list_audiences
from app.inbox.watch import SourceTrouble, list_source_troubles


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about an alert. `endpoint` "" = there is nothing to press; `is_post` = a button that does it."""

    words: str
    label: str = ""
    endpoint: str = ""
    is_post: bool = False
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert as shown. `kind` is audience, destination or source, and names the page with the slug."""

    level: str  # stopped, waiting, notice
    kind: str
    slug: str
    code: str
    reason: str
    since: datetime | None
    step: Step
    run_id: int | None = None
    label: str = ""  # how people call an audience; others go by their slug

    @property
    def tone(self) -> str:
        return "bad" if self.level == "stopped" else "wait"


DESTINATIONS = "destinations.index"
# Alerts' next steps in the words of this console, which has a button where a terminal has a command.
STEPS: Mapping[str, Step] = {
    "credentials": Step(
        "Give another key, or connect the account again.", "To the destination", DESTINATIONS
    ),
    "revoked": Step("Connect the account again.", "To the destination", DESTINATIONS),
    "wrong_data_centre": Step("Correct the key or the base URL.", "To the destination", DESTINATIONS),
    "user_disabled": Step("Sign in to Mailchimp and open the account.", "To the destination", DESTINATIONS),
    "disabled": Step("Sign in to Mailchimp: a notice there says why.", "To the destination", DESTINATIONS),
    "outage": Step("Nothing to do: Muster asks every 30 seconds and goes on by itself."),
    "gone": Step(
        "Bring the audience back in Mailchimp. Muster asks by itself and goes on.", "Open", "audiences.show"
    ),
    "interest": Step(
        "Make it again in Mailchimp and set its new id, or take it out.",
        "To the settings",
        "audience_settings.show",
    ),
    "permission": Step(
        "Set the right id, or take it out.",
        "To the settings",
        "audience_settings.show",
    ),
    "same_list": Step("Switch one of the two off.", "Open", "audiences.show"),
    "merge_field": Step(
        "Make the merge field again, or take it out of the mapping.",
        "To the merge fields",
        "audience_settings.show",
        anchor="fields",
    ),
    "guard": Step(
        "Mend the rule or the list, and it goes on by itself; or let them go.",
        "Look at who would leave",
        "audiences.show",
        anchor="approval",
    ),
    "by_admin": Step("It goes on when somebody resumes it.", "Resume", "audiences.resume", is_post=True),
    "webhook": Step(
        "Muster tries again by itself; or repair it now.",
        "Repair now",
        "audiences.repair_webhook",
        is_post=True,
    ),
    "first_sync": Step(
        "Look at what would happen, then approve or reject it.",
        "Look at it",
        "audiences.show",
        anchor="approval",
    ),
    "rehearsal": Step(
        "A dry run shows what would happen; then approve it.",
        "Begin the dry run",
        "audiences.dry_run",
        is_post=True,
    ),
    "reconcile": Step(
        "Look at what differs, then approve the repair or leave it.",
        "Look at it",
        "audiences.show",
        anchor="approval",
    ),
}
UNKNOWN = Step(
    "Sign in to Mailchimp to see why; Muster asks by itself and goes on.", "To the destination", DESTINATIONS
)


def list_alert_lines(session: Session) -> tuple[AlertLine, ...]:
    """Everything that is open now: what stopped first, then what waits, then notices."""
    labels = {audience.slug: audience.label for audience, _ in list_audiences(session)}
    alerts = (_of_alert(alert, labels) for alert in list_alerts(session))
    lines = [*alerts, *map(_of_source, list_source_troubles(session))]
    order = {"stopped": 0, "waiting": 1, "notice": 2}
    return tuple(sorted(lines, key=lambda line: order[line.level]))


def _of_alert(alert: Alert, labels: Mapping[str, str]) -> AlertLine:
    kind = alert.subject.partition(" ")[0]
    step = STEPS.get(alert.code, UNKNOWN)
    told = (alert.level, kind, alert.slug, alert.code, alert.reason, alert.since)
    label = labels.get(alert.slug, "") if kind == "audience" else ""
    return AlertLine(*told, step, alert.run_id, label)


def _of_source(trouble: SourceTrouble) -> AlertLine:
    level = "notice" if trouble.code == "silent" else "stopped"
    step = Step(trouble.hint or "Look at the source.", "Open the source", "sources.show")
    return AlertLine(level, "source", trouble.slug, trouble.code, trouble.reason, trouble.since, step)
