"""What doctor finds, in sentences, and how it ends."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.cli.doctor_findings import (
    FAIL,
    OK,
    WARN,
    judge_clock,
    judge_disk,
    judge_processes,
    judge_schema,
    judge_settings,
)
from app.cli.doctor_rooms import check_audiences, check_sources, judge_audience, judge_source
from app.core.heartbeat import Beat, beat
from app.core.secretbox import SecretBox

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GB = 1_000_000_000
KEY = SecretBox(("k" * 40,))
SOURCE = {
    "id": 1, "slug": "form", "integration": "list", "is_enabled": True, "paused_at": None, "paused_reason": None,
    "mapping_version_id": 5, "number": 2, "last_event_at": NOW - timedelta(hours=3), "now": NOW,
}  # fmt: skip


def make_beat(kind: str, age_seconds: float = 1.0) -> Beat:
    return Beat(f"{kind}@h:1", kind, "h", 1, NOW, NOW, age_seconds, {})


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [(50 * GB, 100 * GB, OK), (9 * GB, 100 * GB, WARN), (1 * GB, 10 * GB, WARN), (4 * GB, 100 * GB, FAIL),
     (GB // 3, GB, FAIL), (0, 0, FAIL)],
)  # fmt: skip
def test_little_space_is_said_before_it_runs_out(free, total, level):
    assert judge_disk("/var", free, total).level == level


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, OK), (1.9, OK), (-3, WARN), (59, WARN), (61, FAIL), (-3600, FAIL)]
)
def test_clocks_that_differ_are_said(seconds, level):
    assert judge_clock(NOW, NOW + timedelta(seconds=seconds)).level == level


@pytest.mark.parametrize(("current", "level"), [("0002", OK), ("0001", FAIL), ("", FAIL)])
def test_a_schema_behind_this_program_says_to_migrate(current, level):
    finding = judge_schema(current, "0002")

    assert finding.level == level
    assert ("muster migrate" in finding.next_step) == (level == FAIL)


def test_running_parts_are_counted():
    findings = judge_processes([make_beat(kind) for kind in ("web", "worker", "worker", "sweep")])

    assert [finding.level for finding in findings] == [OK, OK, OK]
    assert findings[1].sentence.startswith("worker: 2 running")


def test_a_missing_part_is_named_with_its_command():
    findings = judge_processes([make_beat("web"), make_beat("worker", 90), make_beat("sweep")])

    (failed,) = [finding for finding in findings if finding.level == FAIL]
    assert failed.sentence == "worker: none was heard within 30 s. The last one was heard 90 s ago."
    assert "muster worker" in failed.next_step


def test_nothing_running_is_one_sentence():
    (only,) = judge_processes([make_beat("web", 600)])

    assert only.sentence == "No process of Muster is running."


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("https://crm.example", OK),
        ("http://crm.example", WARN),
        ("http://127.0.0.1:8080", WARN),
        ("http://localhost", WARN),
    ],
)
def test_an_address_that_platforms_cannot_use_is_said(settings, url, level):
    assert judge_settings(replace(settings, public_url=url))[0].level == level


def test_half_a_mailchimp_key_is_said_without_showing_it(settings):
    findings = judge_settings(replace(settings, mailchimp_api_key="0123456789abcdef"))

    assert findings[1].level == FAIL
    assert "0123456789abcdef" not in findings[1].sentence


def test_a_healthy_source_is_one_line():
    (only,) = judge_source(SOURCE, [], KEY)

    assert (only.level, only.sentence) == (OK, "list, mapping version 2, last event 3 hours ago.")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mapping_version_id": None}, "No mapping is in force"),
        ({"paused_at": NOW, "paused_reason": "the token expired"}, "It is paused: the token expired."),
        ({"integration": "nowhere"}, "The integration nowhere is not installed."),
        ({"is_enabled": False}, "It is disabled"),
        ({"integration": "website"}, "The secret "),
    ],
)
def test_what_is_wrong_with_a_source_is_said_with_a_next_step(change, expected):
    findings = judge_source({**SOURCE, **change}, [], KEY)

    (found,) = [finding for finding in findings if finding.sentence.startswith(expected)]
    assert found.level in {WARN, FAIL}
    assert found.next_step


def test_a_secret_sealed_with_another_key_is_said():
    sealed = SecretBox(("x" * 40,)).seal("text", "secret:1:url_key")

    findings = judge_source({**SOURCE, "integration": "website"}, [("url_key", sealed)], KEY)

    assert any("sealed with another key" in finding.sentence for finding in findings)


def test_a_source_that_never_heard_anything_says_so():
    (only,) = judge_source({**SOURCE, "last_event_at": None}, [], KEY)

    assert only.sentence.endswith("nothing has arrived yet.")


def test_merge_fields_that_do_not_exist_are_named():
    row = {"merge_fields": {"FNAME": "first_name", "PHONE": "phone", "EMAIL": "email"}, "is_enabled": True}

    missing = judge_audience("audience news", row, {"FNAME"})
    complete = judge_audience("audience news", row, {"FNAME", "PHONE"})

    assert missing.sentence == "These merge fields do not exist there: PHONE."
    assert (missing.level, complete.level) == (FAIL, OK)


def test_a_new_muster_is_told_to_add_its_first_source_and_audience(session, box):
    findings = [*check_sources(session, box), *check_audiences(session, box)]

    assert [finding.level for finding in findings] == [WARN, WARN]
    assert "muster sources add" in findings[0].next_step


def test_an_unreachable_audience_is_said(session, box):
    key = box.seal("0123-us1", "destination:main")
    row = {"key": key}
    session.execute(
        text(
            "INSERT INTO destinations (slug, base_url, sealed_key) VALUES ('main', 'http://127.0.0.1:9/3.0', :key)"
        ),
        row,
    )
    session.execute(
        text(
            "INSERT INTO audiences (slug, destination_id, list_id) SELECT 'news', id, 'abc' FROM destinations"
        )
    )

    (only,) = check_audiences(session, box)

    assert (only.level, only.subject) == (FAIL, "audience news")
    assert "http://127.0.0.1:9/3.0" in only.next_step


def run_doctor(settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "MUSTER_HOME": str(settings.home), "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", "doctor", *arguments],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_it_ends_with_1_while_something_fails_and_0_when_all_is_well(settings, sessions, box):
    failing = run_doctor(settings, "--json")
    with sessions.begin() as session:
        for kind in ("web", "worker", "sweep", "sim"):
            beat(session, kind)
    well = run_doctor(settings, "--json")

    assert (failing.returncode, well.returncode) == (1, 0)
    assert json.loads(failing.stdout)["is_well"] is False
    assert {finding["level"] for finding in json.loads(well.stdout)["findings"]} <= {OK, WARN}


def test_people_read_a_line_a_finding_and_the_sum(settings, sessions):
    finished = run_doctor(settings)

    lines = finished.stdout.splitlines()
    assert any(line.startswith("FAIL  processes: No process of Muster is running.") for line in lines)
    assert lines[-1].endswith("failed.")


def test_without_servers_it_says_what_does_not_answer_and_makes_nothing(settings, tmp_path):
    finished = run_doctor(replace(settings, home=tmp_path / "none"), "--json")

    findings = json.loads(finished.stdout)["findings"]
    assert {finding["subject"] for finding in findings if finding["level"] == FAIL} == {"queue", "database"}
    assert finished.returncode == 1
    assert not (tmp_path / "none").exists()
