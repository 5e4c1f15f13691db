"""Which line of a child's output a person at the terminal should see. Pure."""

import json
import re

from app.core.redact import masked

SHOWN_LEVELS = frozenset({"warning", "error", "critical"})
# PostgreSQL and Valkey and Python's own words for trouble; a server's start-up and shut-down chatter is not trouble.
TROUBLE = re.compile(
    r"\b(PANIC|FATAL|CRITICAL|No space left|Out of memory|OOM)\b|^[\w.]*(Error|Exception)\b.*:"
)
CHATTER = re.compile(
    r"database system is (starting up|shutting down|not yet accepting)|terminating connection due to"
)
LONGEST = 300


def noteworthy(line: str) -> str:
    """What to show of a line: the event of a JSON log line from warning up, a plain line about trouble, else ""."""
    if line.startswith("{"):
        return _of_json(line)
    if TROUBLE.search(line) and not CHATTER.search(line):
        return masked(line[:LONGEST])
    return ""


def _of_json(line: str) -> str:
    try:
        said = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(said, dict) or said.get("level") not in SHOWN_LEVELS:
        return ""
    reason = said.get("error") or said.get("reason") or ""
    return f"{said['level']}: {said.get('event', '')} {reason}".strip()[:LONGEST]
