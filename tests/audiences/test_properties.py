"""Any history of fifty steps, against the real pipeline and the local Mailchimp: nobody is ever brought back.

`make test` lives through the same few each time, as many as twenty seconds allow; `make properties` through two thousand
from a seed of chance on, which it prints. MUSTER_SEED begins elsewhere, MUSTER_HISTORIES says how many.
"""

import os
import random
import re
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from app.audiences.connect import Connections, Deadlines
from app.core.config import Settings
from app.core.runtime import Runtime
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.server import RunningSimulator
from tests.kit.contract import DEFINITION, load_definition, recorded, small_definition, violations
from tests.kit.town.life import live_history, settle, take
from tests.kit.town.steps import Step, make_steps, shrink
from tests.kit.town.town import Town

IS_LONG = os.environ.get("MUSTER_PROPERTIES") == "long"
HISTORIES = int(os.environ.get("MUSTER_HISTORIES", "2000" if IS_LONG else "25"))
# Chance belongs where somebody watches: a change must not fail for what another one did.
FIRST_SEED = int(os.environ.get("MUSTER_SEED") or (random.SystemRandom().randrange(10**6) if IS_LONG else 1))
SHORT_SECONDS = 20.0
SHRINK_SECONDS = float(os.environ.get("MUSTER_SHRINK_SECONDS", "90"))
SHARED = Path(os.environ.get("MUSTER_SHARED", Path(__file__).parents[3] / "shared")) / "data"


def commit_quickly(connection: Any, _record: Any) -> None:
    """No power goes here: the disk need not be waited for."""
    connection.execute("SET synchronous_commit = off")
    connection.commit()


@pytest.fixture
def town(settings: Settings, sessions: Any, redis_url: str, tmp_path: Path) -> Iterator[Town]:
    with RunningSimulator(SimulatorConfig(port=0)) as simulator:
        runtime = Runtime(replace(settings, sim_port=simulator.port), pool_size=6)
        event.listen(runtime.engine, "connect", commit_quickly)
        connections = Connections(runtime.box, redis_url, deadlines=Deadlines(5, 10))
        found = Town(runtime, connections, simulator, tmp_path)
        found.build()
        yield found
        connections.close()
        runtime.engine.dispose()


def say(words: str) -> None:
    """For whoever watches a long run with -s."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def kind_of(found: str) -> str:
    """What went wrong, without to whom."""
    return re.sub(r"\d+(th|st|nd)?|'[^']*'|\S+@\S+|\[[^]]*\]", "", found)


def live(town: Town, steps: Any) -> list[str]:
    """What was wrong with a history. If Muster's work broke off, that is wrong, too, and has a shortest history."""
    try:
        return live_history(town, steps)
    except Exception as error:  # noqa: BLE001 - it is a finding, and fails the test as one
        frames = [
            f"{one.name} at {one.filename}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)
        ]
        ours = [one for one in frames if "/app/" in one or "/integrations/" in one]
        return [f"{type(error).__name__} in {' < '.join(reversed(ours[-4:]))}"]


def explain(town: Town, seed: int, found: list[str]) -> str:
    """The shortest history that goes wrong in the same way."""
    kinds, until = {kind_of(one) for one in found}, time.monotonic() + SHRINK_SECONDS

    def is_failing(steps: Any) -> bool:
        return time.monotonic() < until and any(kind_of(one) in kinds for one in live(town, steps))

    steps = shrink(make_steps(seed), is_failing)
    wrong = live(town, steps)
    told = "\n".join(f"    {step}," for step in steps)
    return f"seed {seed}: {found}\nshortest history:\n{told}\n-> {wrong}"


def test_no_history_brings_anybody_back(town: Town) -> None:
    wrong: list[str] = []
    started, lived = time.monotonic(), 0
    official = SHARED / DEFINITION
    definition = load_definition(official) if official.exists() else small_definition()

    say(f"histories from seed {FIRST_SEED} on")
    for seed in range(FIRST_SEED, FIRST_SEED + HISTORIES):
        if not IS_LONG and time.monotonic() - started > SHORT_SECONDS:
            break
        with recorded(town.simulator) as exchanges:
            found = live(town, make_steps(seed))
        found += violations(exchanges, definition, are_faults_expected=True, most_alike=1)
        lived += 1
        if found:
            wrong.append(explain(town, seed, found))
            say(wrong[-1])
            if len(wrong) == 3 and not IS_LONG:
                break
        if IS_LONG and lived % 50 == 0:
            say(f"{lived} histories, {time.monotonic() - started:.0f} s, {len(wrong)} wrong")

    say(f"{lived} histories of 50 steps in {time.monotonic() - started:.1f} s, {len(wrong)} wrong")
    assert [] == wrong
    assert lived >= min(HISTORIES, 3)


def test_the_judge_sees_what_is_wrong(town: Town) -> None:
    """An opt-out that is lost on purpose is found: the test can fail."""
    steps = [Step("proof", 0, 0, 4), Step("push", number=3), Step("leave", 0, 0, 4)]
    town.begin()
    for step in steps:
        take(town, step)
    with town.runtime.transaction() as session:
        session.execute(text("DELETE FROM consent_evidence WHERE verdict = 'withdrawn'"))
        session.execute(text("UPDATE consents SET status = 'given', proof = 'claimed'"))
        session.execute(text("DELETE FROM members"))
    with town.simulator.world.change():
        for audience in town.simulator.world.audiences.values():
            for one in [one for one in audience.members() if one.email.startswith("ada")]:
                town.simulator.world.save_dropped(audience, one)

    found = settle(town)

    assert any("asks for" in one for one in found), found
