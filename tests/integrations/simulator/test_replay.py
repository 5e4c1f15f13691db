"""The simulator answers as the real API did (MUSTER_RECORDED=FILE takes another recording of the same form)."""

import json
import os
import sys
from pathlib import Path

import pytest

from integrations.mailchimp.simulator.replay import read_exchanges, replay

LIST = "a36b032126"


@pytest.mark.shared
def test_every_recorded_exchange_is_answered_alike(request):
    named = os.environ.get("MUSTER_RECORDED")
    # The folder is only asked for where no other recording is named.
    path = Path(named) if named else request.getfixturevalue("shared") / "mailchimp/recorded.jsonl"

    comparison = replay(read_exchanges(path))

    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write(f"\n{comparison.sentence}\n")
    assert comparison.differences == {}
    assert comparison.total > 0


def _line(method: str, path: str, body: object, status: int, answer: object) -> dict[str, object]:
    headers = ["Content-Type", "application/json; charset=utf-8", "Date", "Thu, 01 Jan 2026 00:00:00 GMT"]
    if status >= 400:
        headers[1] = "application/problem+json; charset=utf-8"
    return {
        "method": method,
        "path": f"/3.0/lists/{LIST}{path}",
        "body": body,
        "status": status,
        "resp": answer,
        "headers": headers,
    }


NOBODY = {
    "type": "https://mailchimp.com/developer/marketing/docs/errors/",
    "title": "Resource Not Found",
    "status": 404,
    "detail": "The requested resource could not be found.",
    "instance": "1",
}


def _replay(tmp_path, *lines):
    path = tmp_path / "recorded.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return replay(read_exchanges(path))


def test_the_comparison_counts_what_is_equal(tmp_path):
    comparison = _replay(tmp_path, _line("GET", "/members/0", {}, 404, NOBODY))

    assert comparison.sentence == "recorded exchanges: 1 of 1 equal"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, NOBODY),
        (404, {**NOBODY, "title": "Other"}),
        (404, {**NOBODY, "detail": "Other"}),
        (404, {**NOBODY, "more": 1}),
        (404, {key: value for key, value in NOBODY.items() if key != "type"}),
    ],
)
def test_the_comparison_notices_what_differs(tmp_path, status, answer):
    comparison = _replay(tmp_path, _line("GET", "/members/0", {}, status, answer))

    assert comparison.sentence == "recorded exchanges: 0 of 1 equal"


def test_one_made_up_id_cannot_stand_for_two(tmp_path):
    other = {**NOBODY, "instance": "1"}

    comparison = _replay(
        tmp_path, *(_line("GET", f"/members/{number}", {}, 404, other) for number in range(2))
    )

    assert list(comparison.differences) == [1]
