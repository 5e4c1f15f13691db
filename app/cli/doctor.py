"""`muster doctor`: looks at every part and says what to do."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
import redis
from sqlalchemy.exc import SQLAlchemyError

from app.audiences.alerts import list_alerts
from app.cli.doctor_findings import (
    FAIL,
    OK,
    WARN,
    Finding,
    judge_clock,
    judge_disk,
    judge_processes,
    judge_schema,
    judge_settings,
)
from app.cli.doctor_rooms import check_audiences, check_sources
from app.cli.kit import emit, json_option, open_runtime
from app.core.clock import database_now, utc_now
from app.core.errors import MusterError
from app.core.heartbeat import list_heartbeats
from app.core.migrate import current_revision, head_revision
from app.core.postgres import check_database
from app.core.runtime import Runtime
from app.core.secretbox import KEY_FILE
from app.core.valkey import check_redis

MARKS = {
    OK: click.style("ok  ", fg="green"),
    WARN: click.style("warn", fg="yellow"),
    FAIL: click.style("FAIL", fg="red"),
}

Check = Callable[[Runtime], list[Finding]]


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check every part and say what to do. Ends with 1 when something fails."""
    runtime = open_runtime()
    findings = examine(runtime)
    is_well = all(finding.level != FAIL for finding in findings)
    shown: dict[str, Any] = {"is_well": is_well, "findings": [asdict(finding) for finding in findings]}
    emit(shown, as_json=as_json, text=lambda: print_findings(findings))
    sys.exit(0 if is_well else 1)


def examine(runtime: Runtime) -> list[Finding]:
    """Every check in order; the ones that need the database are left out when it does not answer."""
    key = _guarded("key", _check_key, runtime)
    findings = judge_settings(runtime.settings) + key
    findings += _guarded("disk", _check_disk, runtime)
    findings += _guarded("queue", _check_queue, runtime)
    database = _guarded("database", _check_database, runtime)
    schema = [] if _has_failed(database) else _guarded("schema", _check_schema, runtime)
    findings += database + schema
    if _has_failed([*database, *schema]):
        return findings
    rooms = SEALED_ROOM_CHECKS if key[0].level == OK else ()
    for subject, check in (("clock", _check_clock), ("processes", _check_processes), *rooms):
        findings += _guarded(subject, check, runtime)
    return findings


def _has_failed(findings: list[Finding]) -> bool:
    return any(finding.level == FAIL for finding in findings)


def _guarded(subject: str, check: Check, runtime: Runtime) -> list[Finding]:
    try:
        return check(runtime)
    except MusterError as error:
        return [Finding(FAIL, subject, error.message, error.hint)]
    except (SQLAlchemyError, redis.RedisError, OSError) as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        return [
            Finding(FAIL, subject, f"It could not be checked: {said[0] if said else type(error).__name__}")
        ]


def _check_key(runtime: Runtime) -> list[Finding]:
    settings = runtime.settings
    path = settings.home / KEY_FILE
    if not settings.secret_key and not path.exists():  # looking must not make it
        sentence = f"There is no key yet at {path}; the first start makes it."
        return [Finding(WARN, "key", sentence, "Run `make up`, or set MUSTER_SECRET_KEY.")]
    box = runtime.box
    sealed = box.seal("works", "doctor")
    where = "MUSTER_SECRET_KEY" if settings.secret_key else path
    return [Finding(OK, "key", f"The key in {where} {box.open(sealed, 'doctor')}.")]


def _check_disk(runtime: Runtime) -> list[Finding]:
    home = runtime.settings.home
    usage = shutil.disk_usage(next(place for place in (home, *home.parents) if place.exists()))
    return [judge_disk(str(home), usage.free, usage.total)]


def _check_queue(runtime: Runtime) -> list[Finding]:
    url = runtime.settings.valkey_url
    findings = [Finding(OK, "queue", f"{check_redis(url)} answers.")]
    with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
        memory, persistence = client.info("memory"), client.info("persistence")
    if not int(persistence.get("aof_enabled", 0)):
        sentence = "It keeps no append-only file: after a crash, waiting work starts a second or two later."
        findings.append(
            Finding(WARN, "queue", sentence, "Set appendonly yes on the server; nothing is lost without it.")
        )
    if str(memory.get("maxmemory_policy", "noeviction")) != "noeviction":
        sentence = f"It may drop keys when memory is short (maxmemory-policy {memory['maxmemory_policy']})."
        findings.append(Finding(WARN, "queue", sentence, "Set maxmemory-policy noeviction."))
    return findings


def _check_database(runtime: Runtime) -> list[Finding]:
    version = check_database(runtime.engine)
    return [Finding(OK, "database", f"PostgreSQL {version} answers and keeps what it confirms.")]


def _check_schema(runtime: Runtime) -> list[Finding]:
    return [judge_schema(current_revision(runtime.engine), head_revision())]


def _check_clock(runtime: Runtime) -> list[Finding]:
    with runtime.transaction() as session:
        return [judge_clock(utc_now(), database_now(session))]


def _check_processes(runtime: Runtime) -> list[Finding]:
    with runtime.transaction() as session:
        return judge_processes(list_heartbeats(session))


def _check_sources(runtime: Runtime) -> list[Finding]:
    with runtime.transaction() as session:
        return check_sources(session, runtime.box)


def _check_audiences(runtime: Runtime) -> list[Finding]:
    with runtime.transaction() as session:
        return check_audiences(session, runtime.box)


def _check_alerts(runtime: Runtime) -> list[Finding]:
    levels = {"stopped": FAIL, "waiting": WARN, "notice": WARN}
    with runtime.transaction() as session:
        return [
            Finding(levels[one.level], one.subject, one.reason, one.next_step)
            for one in list_alerts(session)
            if not one.subject.startswith("destination ")  # audiences say it of their account
        ]


SEALED_ROOM_CHECKS = (("sources", _check_sources), ("audiences", _check_audiences), ("alerts", _check_alerts))


def print_findings(findings: list[Finding]) -> None:
    """A line a finding, the next step below it where there is one, and the sum at the end."""
    for finding in findings:
        click.echo(f"{MARKS[finding.level]}  {finding.subject}: {finding.sentence}")
        if finding.next_step:
            click.echo(f"      -> {finding.next_step}")
    counts = {level: sum(finding.level == level for finding in findings) for level in MARKS}
    click.echo(f"\n{counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} failed.")
