"""What doctor finds: each finding a sentence, and what to do about it. Deciding only; no database, no network."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from app.cli.kit import age_words
from app.core.config import Settings
from app.core.heartbeat import STALE_SECONDS, Beat

OK, WARN, FAIL = "ok", "warn", "fail"
LOW_BYTES, LOW_SHARE = 500_000_000, 0.05  # below either one the door turns deliveries away
SCARCE_BYTES, SCARCE_SHARE = 2_000_000_000, 0.10
CLOCK_WARN_SECONDS, CLOCK_FAIL_SECONDS = 2.0, 60.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PARTS = ("web", "worker", "sweep")


@dataclass(frozen=True, slots=True)
class Finding:
    """level is ok, warn or fail; `subject` what was looked at; `next_step` is empty when all is well."""

    level: str
    subject: str
    sentence: str
    next_step: str = ""


def judge_settings(settings: Settings) -> list[Finding]:
    """The settings that can be wrong without being unreadable."""
    findings = [_judge_public_url(settings)]
    if settings.is_simulated:
        findings.append(
            Finding(
                OK,
                "mailchimp",
                "No Mailchimp key is set: audiences are those of the local simulator, or of accounts connected by signing in.",
                "Set MAILCHIMP_API_KEY when you are ready for the real one.",
            )
        )
    elif not settings.mailchimp_base_url and "-" not in settings.mailchimp_api_key:
        findings.append(
            Finding(
                FAIL,
                "mailchimp",
                "MAILCHIMP_API_KEY does not end in a dash and the data centre, like -us6.",
                "Copy the key again, whole, from Mailchimp under Profile > Extras > API keys.",
            )
        )
    return findings


def _judge_public_url(settings: Settings) -> Finding:
    address = urlsplit(settings.public_url)
    if address.hostname in LOOPBACK:
        return Finding(
            WARN,
            "settings",
            f"Platforms cannot reach {settings.public_url}; only programs on this machine can.",
            "Set MUSTER_PUBLIC_URL to the address that platforms call.",
        )
    if address.scheme != "https":
        return Finding(
            WARN,
            "settings",
            f"{settings.public_url} is not https: secrets and addresses travel in the open.",
            "Put a TLS proxy in front, set MUSTER_PUBLIC_URL to its https address and MUSTER_PROXIED=1.",
        )
    return Finding(OK, "settings", f"Platforms reach Muster at {settings.public_url}.")


def judge_disk(place: str, free_bytes: int, total_bytes: int) -> Finding:
    """Free space where the data lies."""
    share = free_bytes / total_bytes if total_bytes else 0.0
    said = f"{free_bytes / 1e9:.1f} GB ({share:.0%}) are free at {place}."
    if free_bytes < LOW_BYTES or share < LOW_SHARE:
        return Finding(FAIL, "disk", f"{said} The door turns deliveries away.", "Free or add space now.")
    if free_bytes < SCARCE_BYTES or share < SCARCE_SHARE:
        return Finding(WARN, "disk", said, "Free or add space soon.")
    return Finding(OK, "disk", said)


def judge_clock(ours: datetime, database: datetime) -> Finding:
    """Signatures carry times, leases use the database's."""
    offset = abs((ours - database).total_seconds())
    said = f"This machine's clock and the database's differ by {offset:.1f} s."
    if offset > CLOCK_FAIL_SECONDS:
        return Finding(
            FAIL, "clock", said, "Turn on time synchronisation (NTP): signed deliveries are refused."
        )
    if offset > CLOCK_WARN_SECONDS:
        return Finding(WARN, "clock", said, "Turn on time synchronisation (NTP) on both.")
    return Finding(OK, "clock", said)


def judge_schema(current: str, head: str) -> Finding:
    """The database's revision beside this program's."""
    if current == head:
        return Finding(OK, "schema", f"The schema is at revision {head}.")
    if not current:
        return Finding(FAIL, "schema", "The database has no tables of Muster.", "Run `muster migrate`.")
    return Finding(
        FAIL,
        "schema",
        f"The schema is at revision {current}, this program needs {head}.",
        "Run `muster migrate`.",
    )


def judge_processes(beats: list[Beat]) -> list[Finding]:
    """Each part that should run, by its last heartbeat. The local Mailchimp is asked itself, as an audience."""
    if not any(beat.is_alive for beat in beats):
        return [
            Finding(FAIL, "processes", "No process of Muster is running.", "Run `make up` or `muster up`.")
        ]
    return [_judge_part(part, [beat for beat in beats if beat.kind == part]) for part in PARTS]


def _judge_part(part: str, beats: list[Beat]) -> Finding:
    alive = [beat for beat in beats if beat.is_alive]
    if alive:
        where = ", ".join(f"{beat.host} process {beat.pid}" for beat in alive)
        return Finding(OK, "processes", f"{part}: {len(alive)} running ({where}).")
    last = f" The last one was heard {age_words(min(b.age_seconds for b in beats))}." if beats else ""
    return Finding(
        FAIL,
        "processes",
        f"{part}: none was heard within {STALE_SECONDS:.0f} s.{last}",
        f"Start one: `muster {part}`, or `muster up` for all.",
    )
