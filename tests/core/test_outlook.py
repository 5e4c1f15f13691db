"""What of a child's output reaches the terminal."""

import pytest

from app.core.outlook import noteworthy


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "info", "event": "claimed"}', ""),
        ('{"level": "warning", "event": "bell lost", "reason": "timeout"}', "warning: bell lost timeout"),
        ('{"level": "error", "event": "failed"}', "error: failed"),
        ('{"level": "error", "event": ', ""),
        ("2026-11-21 23:58:14 UTC [7] LOG:  checkpoint complete", ""),
        ("2026-11-21 23:58:14 UTC [7] ERROR:  duplicate key value", ""),
        ("2026-11-21 23:58:14 UTC [7] FATAL:  the database system is starting up", ""),
        (
            "2026-11-21 UTC [7] PANIC:  could not write to file",
            "2026-11-21 UTC [7] PANIC:  could not write to file",
        ),
        ("sqlalchemy.exc.OperationalError: gone", "sqlalchemy.exc.OperationalError: gone"),
        ("ValueError: bad anna@example.test", "ValueError: bad a***@e***"),
        ("  raise ValueError(text)", ""),
        ("OSError: [Errno 98] Address already in use", "OSError: [Errno 98] Address already in use"),
        ("", ""),
    ],
)
def test_only_trouble_is_shown(line, shown):
    assert noteworthy(line) == shown


def test_a_long_line_is_cut():
    assert len(noteworthy("PANIC: " + "x" * 10_000)) == 300
