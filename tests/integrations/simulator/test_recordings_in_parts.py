"""Every part of the recorded exchanges is replayed as well as the whole."""

import json
from dataclasses import replace

import pytest

from integrations.mailchimp.simulator import recording
from integrations.mailchimp.simulator.replay import replay
from tests.integrations.simulator.tape import OTHER


@pytest.mark.shared
@pytest.mark.parametrize("size", [1, 20])
def test_every_other_window_of_the_recording_replays_alike(shared, size):
    """What was there before a window is derived from its own answers."""
    exchanges = recording.read_exchanges(shared / "mailchimp/recorded.jsonl")
    windows = [exchanges[start : start + size] for start in range(0, len(exchanges) - size + 1, 2)]

    unequal = [start for start, window in enumerate(windows) if replay(window).differences]

    assert unequal == []


@pytest.mark.shared
def test_beginnings_of_the_recording_replays_alike(shared):
    exchanges = recording.read_exchanges(shared / "mailchimp/recorded.jsonl")

    unequal = [end for end in range(1, len(exchanges) + 1, 7) if replay(exchanges[:end]).differences]

    assert unequal == []


@pytest.mark.shared
def test_the_recording_of_another_audience_replays_alike(shared):
    text = (
        (shared / "mailchimp/recorded.jsonl")
        .read_text()
        .replace("a36b032126", OTHER)
        .replace("us3.", "us17.")
    )
    exchanges = [
        replace(recording._exchange(json.loads(line)), world=f"file {number}")
        for number in range(2)
        for line in text.splitlines()
    ]

    comparison = replay(exchanges)

    assert (comparison.total, comparison.differences) == (len(exchanges), {})
