"""`--live` and `make contract`: the switch works, refuses what is not a test audience, and says how many are equal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SUITE = "tests/integrations/mailchimp_gateway/test_live_contract.py"
LIST = "a36b032126"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _live(simulator, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    access = {
        "MUSTER_LIVE_API_KEY": simulator.config.api_key,
        "MUSTER_LIVE_LIST_ID": simulator.config.list_id,
        "MUSTER_LIVE_EMAIL": "tester@house.test",
        "MUSTER_LIVE_BASE_URL": simulator.url,
    }
    return _run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--live", *more, SUITE, **{**access, **environment}
    )


def test_the_suite_asks_the_account_it_is_given_and_leaves_nothing(simulator, gateway, list_id):
    done = _live(simulator)

    assert done.returncode == 0, done.stdout
    assert simulator.world.journal.counts()["calls"] > 40
    members = list(gateway.iterate_members(list_id))
    assert ([one.email for one in members], gateway.search_tags(list_id, "muster-")) == ([], ())


def test_an_audience_with_many_members_is_not_touched(simulator, gateway, list_id):
    body = {"email_address": "ada@lovelace.test", "status_if_new": "subscribed"}
    before = gateway.put_member(list_id, "ada@lovelace.test", body)
    calls = len(simulator.world.journal.entries())

    done = _live(simulator, "-x", MUSTER_LIVE_MOST_MEMBERS="0")

    asked = [entry["method"] for entry in simulator.world.journal.entries()[calls:]]
    assert "more than 0 members" in done.stdout
    assert (done.returncode, asked) == (1, ["GET"])
    assert before == gateway.get_member(list_id, "ada@lovelace.test")


def test_a_live_run_without_a_key_says_what_is_missing(simulator):
    done = _live(simulator, "-x", MUSTER_LIVE_API_KEY="")

    assert done.returncode == 1
    assert "--live needs MUSTER_LIVE_API_KEY" in done.stdout
    assert simulator.world.journal.counts() == {}


NOBODY = {
    "type": "https://mailchimp.com/developer/marketing/docs/errors/",
    "title": "Resource Not Found",
    "status": 404,
    "detail": "The requested resource could not be found.",
    "instance": "1",
}


def _recording(folder: Path, *answers: dict[str, object]) -> str:
    """A file of recorded reads of nobody, with these answers."""
    lines = [
        {
            "method": "GET",
            "path": f"/3.0/lists/{LIST}/members/{'0' * 32}",
            "body": "",
            "status": 404,
            "resp": answer,
            "headers": ["Content-Type", "application/problem+json; charset=utf-8"],
            "host": "https://us3.api.mailchimp.com:443",
        }
        for answer in answers
    ]
    path = folder / "recorded.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_equal_answers_are_counted_in_one_line(tmp_path):
    done = _run(
        "tools/contract.py",
        "--replay-only",
        MUSTER_RECORDED=_recording(tmp_path, NOBODY, {**NOBODY, "instance": "2"}),
    )

    assert (done.returncode, done.stdout) == (0, "recorded exchanges: 2 of 2 equal\n")


def test_unequal_answers_are_shown_and_fail(tmp_path):
    other = {**NOBODY, "instance": "2", "title": "Nobody Here"}
    done = _run("tools/contract.py", "--replay-only", MUSTER_RECORDED=_recording(tmp_path, NOBODY, other))

    assert done.returncode == 1
    assert "recorded exchanges: 1 of 2 equal" in done.stdout.splitlines()
    assert "'Resource Not Found' instead of 'Nobody Here'" in done.stdout


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"MUSTER_RECORDED": "/nowhere/recorded.jsonl"}, 2, "MUSTER_RECORDED names no file"),
        ({"MUSTER_RECORDED": "", "MUSTER_SHARED": "/nowhere"}, 0, "No recording to compare with"),
    ],
)
def test_a_missing_recording_is_said(environment, code, words):
    done = _run("tools/contract.py", "--replay-only", **environment)

    assert done.returncode == code
    assert words in done.stdout + done.stderr
