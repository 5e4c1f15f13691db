"""Doctor's look at sources and audiences: plain SQL and, for audiences, two calls to Mailchimp."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.cli.doctor_findings import FAIL, OK, WARN, Finding
from app.core.errors import ConfigError
from app.core.secretbox import SecretBox
from app.sources.settings import LIST_INTEGRATION, list_config_problems
from integrations.kit.contract import SourceConfig
from integrations.kit.registry import get_source, list_integrations
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.problems import MailchimpProblem

DEADLINE_SECONDS = 10.0
BUILT_IN_FIELDS = frozenset({"EMAIL"})

SOURCES = text("""
    SELECT s.id, s.slug, s.integration, s.settings, s.is_enabled, s.paused_at, s.paused_reason, s.mapping_version_id, m.number,
           (SELECT max(e.received_at) FROM events e WHERE e.source_id = s.id) AS last_event_at, now() AS now
    FROM sources s LEFT JOIN mapping_versions m ON m.id = s.mapping_version_id ORDER BY s.slug
""")
SECRETS = text("""
    SELECT source_id, name, sealed FROM secrets WHERE expires_at IS NULL OR expires_at > now() ORDER BY id
""")
AUDIENCES = text("""
    SELECT a.slug, a.list_id, a.is_enabled, a.merge_fields, d.slug AS destination, d.base_url, d.sealed_key,
           d.paused_at, d.paused_reason
    FROM audiences a JOIN destinations d ON d.id = a.destination_id ORDER BY a.slug
""")


def check_sources(session: Session, box: SecretBox) -> list[Finding]:
    """Secrets, mapping in force, last event, pause, of each source."""
    sealed: dict[int, list[tuple[str, bytes]]] = {}
    for source_id, name, value in session.execute(SECRETS):
        sealed.setdefault(source_id, []).append((name, value))
    rows = [dict(row) for row in session.execute(SOURCES).mappings()]
    if not rows:
        step = "Add one: `muster sources add website my-website`."
        return [Finding(WARN, "sources", "There is no source yet, so nothing can arrive.", step)]
    return [finding for row in rows for finding in judge_source(row, sealed.get(row["id"], []), box)]


def judge_source(
    row: Mapping[str, Any], secrets: Sequence[tuple[str, bytes]], box: SecretBox
) -> list[Finding]:
    """`row` as SOURCES gives it, `secrets` as (name, sealed). One ok finding, or what is wrong."""
    slug = row["slug"]
    subject = f"source {slug}"
    wrong = [*_source_problems(row, subject), *_platform_problems(row, subject, secrets, box)]
    if any(finding.level == FAIL for finding in wrong):
        return wrong
    said = f"{row['integration']}, mapping version {row['number']}, {_last_event(row['last_event_at'], row['now'])}."
    return [*wrong, Finding(OK, subject, said)]


def _source_problems(row: Mapping[str, Any], subject: str) -> list[Finding]:
    found = []
    if row["integration"] not in (*list_integrations(), LIST_INTEGRATION):
        step = "Install the version of Muster that has it, or disable the source."
        found.append(Finding(FAIL, subject, f"The integration {row['integration']} is not installed.", step))
    if row["mapping_version_id"] is None:
        step = f"Publish one: `muster map publish {row['slug']} FILE`."
        found.append(Finding(FAIL, subject, "No mapping is in force, so events wait.", step))
    if row["paused_at"] is not None:
        step = "Set the platform's credentials again; Muster goes on by itself."
        found.append(
            Finding(FAIL, subject, f"It is paused: {row['paused_reason'] or 'no reason given'}.", step)
        )
    if not row["is_enabled"]:
        step = f"Enable it when it should take deliveries: `muster sources show {row['slug']}`."
        found.append(Finding(WARN, subject, "It is disabled: deliveries are answered 503.", step))
    return found


def _platform_problems(
    row: Mapping[str, Any], subject: str, secrets: Sequence[tuple[str, bytes]], box: SecretBox
) -> list[Finding]:
    if row["integration"] not in list_integrations():
        return []
    found = []
    opened: dict[str, tuple[str, ...]] = {}
    for name, sealed in secrets:
        try:
            opened[name] = (box.open(sealed, f"secret:{row['id']}:{name}"), *opened.get(name, ()))
        except ConfigError as error:
            found.append(Finding(FAIL, subject, error.message, error.hint))
    present = {name for name, _ in secrets}
    for setting in get_source(row["integration"]).settings:
        if setting.is_secret and (setting.is_required or setting.is_primary) and setting.name not in present:
            step = f"Store it: `muster sources rotate {row['slug']}`."
            found.append(
                Finding(FAIL, subject, f"The secret {setting.name} ({setting.label}) is missing.", step)
            )
    return found or _config_problems(row, subject, opened)


def _config_problems(
    row: Mapping[str, Any], subject: str, secrets: Mapping[str, tuple[str, ...]]
) -> list[Finding]:
    """What the integration itself has against the configuration."""
    settings = {name: str(value) for name, value in (row.get("settings") or {}).items()}
    config = SourceConfig(row["slug"], settings, secrets)
    step = f"Set it: `muster sources set {row['slug']} KEY=VALUE`; `muster sources show {row['slug']}` names the keys."
    level = FAIL if row["is_enabled"] else WARN
    return [
        Finding(level, subject, sentence, step)
        for sentence in list_config_problems(get_source(row["integration"]), config)
    ]


def _last_event(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "nothing has arrived yet"
    seconds = (now - at).total_seconds()
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"last event {seconds // size:.0f} {unit} ago"
    return f"last event {seconds:.0f} seconds ago"


def check_audiences(session: Session, box: SecretBox) -> list[Finding]:
    """Each audience asked for at Mailchimp: is it there, and are its merge fields."""
    rows = [dict(row) for row in session.execute(AUDIENCES).mappings()]
    if not rows:
        step = "Add one: `muster audiences add`."
        return [Finding(WARN, "audiences", "There is no audience yet, so nobody is synced.", step)]
    return [_check_audience(row, box) for row in rows]


def _check_audience(row: Mapping[str, Any], box: SecretBox) -> Finding:
    subject = f"audience {row['slug']}"
    if row["paused_at"] is not None:
        step = "Set the Mailchimp key again; Muster goes on by itself."
        return Finding(
            FAIL, subject, f"Its account is paused: {row['paused_reason'] or 'no reason given'}.", step
        )
    try:
        gateway = Gateway(
            row["base_url"],
            box.open(row["sealed_key"], f"destination:{row['destination']}"),
            deadline_seconds=DEADLINE_SECONDS,
        )
        tags = {field.tag for field in gateway.list_merge_fields(row["list_id"])}
        gateway.close()
    except ConfigError as error:
        return Finding(FAIL, subject, error.message, error.hint)
    except MailchimpProblem as problem:
        step = f"Check that {row['base_url']} is reachable and the audience {row['list_id']} exists there."
        return Finding(FAIL, subject, problem.sentence, step)
    return judge_audience(subject, row, tags)


def judge_audience(subject: str, row: Mapping[str, Any], tags: set[str]) -> Finding:
    """The merge fields that Muster writes beside those (`tags`) the audience has."""
    missing = sorted(set(row["merge_fields"]) - tags - BUILT_IN_FIELDS)
    if missing:
        step = "Add them in Mailchimp under Audience > Settings > Audience fields, or take them out of the audience here."
        return Finding(FAIL, subject, f"These merge fields do not exist there: {', '.join(missing)}.", step)
    if not row["is_enabled"]:
        return Finding(
            WARN, subject, "It is reachable but disabled: nothing is synced.", "Enable it when ready."
        )
    return Finding(OK, subject, f"Reachable; all {len(row['merge_fields'])} merge fields exist.")
