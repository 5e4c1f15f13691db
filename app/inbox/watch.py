"""Watching sources: do they still send? Asked of the platform where it can say so, and learned from their rhythm."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.audit import audit
from app.core.log import get_log
from app.core.runtime import Runtime
from app.sources.loaded import LoadedSource, load_sources
from app.sources.rhythm import Rhythm, Silence, find_silence
from integrations.kit.contract import EnrichError, Health
from integrations.kit.fetch import client_for

CHECK_SECONDS = 3_600

DUE = text("""
    SELECT id FROM sources WHERE is_enabled AND paused_at IS NULL
      AND coalesce(CAST(health ->> 'checked_at' AS timestamptz), '-infinity') < now() - make_interval(secs => :every)
""")
# A silence is measured in deliveries: a test event or a duplicate shows as well that the line is open.
RHYTHM = text("""
    WITH last AS (SELECT max(received_at) AS at FROM deliveries WHERE source_id = :id),
    weeks AS (
        SELECT k, last.at, (SELECT count(*) FROM deliveries d WHERE d.source_id = :id
            AND d.received_at > last.at - k * interval '7 days' AND d.received_at <= now() - k * interval '7 days') AS brought
        FROM last, generate_series(1, 4) AS k),
    first AS (SELECT min(received_at) AS at FROM deliveries WHERE source_id = :id),
    days AS (
        SELECT date_trunc('day', received_at) AS day, count(*) AS brought FROM deliveries
        WHERE source_id = :id AND received_at > now() - interval '28 days' GROUP BY 1)
    SELECT extract(epoch FROM now() - (SELECT at FROM last)) / 3600 AS silent_hours,
           ARRAY(SELECT brought FROM weeks, first WHERE first.at < weeks.at - k * interval '7 days' ORDER BY k) AS same_hours,
           ARRAY(SELECT brought FROM days ORDER BY day) AS daily_counts
""")
KEEP = text("UPDATE sources SET health = health || CAST(:health AS jsonb) WHERE id = :id RETURNING slug")
TROUBLES = text("""
    SELECT slug, label, integration, health, paused_at, paused_reason FROM sources
    WHERE is_enabled AND (paused_reason IS NOT NULL AND paused_at IS NOT NULL
       OR health ->> 'state' = 'dead' OR health ->> 'silence' <> '') ORDER BY slug
""")

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class SourceTrouble:
    """What is wrong with a source now: for the overview, `muster status` and the doctor."""

    slug: str
    code: str  # paused, dead, silent
    reason: str
    hint: str
    since: datetime | None = None


def watch_sources(runtime: Runtime, every_seconds: float = CHECK_SECONDS) -> int:
    """Look after every source that was not looked after for an hour; how many were."""
    with runtime.transaction() as session:
        due = set(session.scalars(DUE, {"every": every_seconds}))
        sources = [one for one in load_sources(session, runtime.box) if one.id in due] if due else []
    for loaded in sources:
        check_source(runtime, loaded)
    return len(sources)


def check_source(runtime: Runtime, loaded: LoadedSource) -> Health:
    """Ask the platform (no transaction is open meanwhile), look at the rhythm, and keep what was found."""
    health = ask_health(loaded)
    with runtime.transaction() as session:
        silence = find_silence(read_rhythm(session, loaded.id))
        _keep(session, loaded, health, silence)
    return health


def ask_health(loaded: LoadedSource) -> Health:
    """What the platform says; a platform that does not answer says nothing of the subscription."""
    if loaded.trouble:
        return Health("dead", loaded.trouble, "See `muster doctor`.")
    try:
        return loaded.source.health(loaded.config, client_for(loaded.source, loaded.config))
    except EnrichError as error:
        is_dead = error.outcome in ("blocked_credentials", "gone")
        return Health("dead" if is_dead else "unknown", error.reason, error.hint)


def read_rhythm(session: Session, source_id: int) -> Rhythm:
    """What the source brought and when; only weeks that it has lived through are counted."""
    row = session.execute(RHYTHM, {"id": source_id}).one()
    return Rhythm(float(row.silent_hours or 0.0), tuple(row.same_hours), tuple(row.daily_counts))


def _keep(session: Session, loaded: LoadedSource, health: Health, silence: Silence | None) -> None:
    sentence = silence.sentence if silence else ""
    before: dict[str, Any] = (
        session.execute(
            text("SELECT health FROM sources WHERE id = :id FOR UPDATE"), {"id": loaded.id}
        ).scalar()
        or {}
    )
    now = session.execute(text("SELECT now()")).scalar_one().isoformat()
    found = {
        "state": health.state,
        "reason": health.reason,
        "hint": health.hint,
        "silence": sentence,
        "checked_at": now,
        "dead_since": (before.get("dead_since") or now) if health.state == "dead" else None,
        "silent_since": (before.get("silent_since") or now) if silence else None,
    }
    session.execute(KEEP, {"id": loaded.id, "health": json.dumps(found)})
    for code, was, words in (
        ("dead", before.get("state") == "dead", health.reason if health.state == "dead" else ""),
        ("silent", bool(before.get("silence")), sentence),
    ):
        if words and not was:  # one alert for one trouble
            log.error("source.trouble", code=code, source=loaded.slug, reason=words)
            audit(session, "muster", f"source.{code}", f"source:{loaded.slug}", None, {"reason": words})


def list_source_troubles(session: Session) -> list[SourceTrouble]:
    """Every source with something wrong, and the next step."""
    return [trouble for row in session.execute(TROUBLES) for trouble in _troubles(row)]


def _troubles(row: Any) -> Sequence[SourceTrouble]:
    found, health = [], row.health or {}
    if row.paused_at is not None:
        hint = "Mend the credentials: `muster sources show` names what is set; a change is tried at once."
        found.append(SourceTrouble(row.slug, "paused", row.paused_reason, hint, row.paused_at))
    if health.get("state") == "dead":
        found.append(
            SourceTrouble(
                row.slug,
                "dead",
                health.get("reason", ""),
                health.get("hint", ""),
                _time(health, "dead_since"),
            )
        )
    if health.get("silence"):
        hint = (
            "Send a test from the platform's screen; see the source's README for what switches a webhook off."
        )
        found.append(
            SourceTrouble(row.slug, "silent", health["silence"], hint, _time(health, "silent_since"))
        )
    return found


def _time(health: dict[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(health[name]) if health.get(name) else None
