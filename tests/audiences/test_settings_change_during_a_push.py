"""New settings count at once, also for what a running push took before."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.audiences.models import Audience
from app.audiences.settings import change_settings
from app.core.db import transaction

CROWD, CLAIM = 800, 100


@pytest.fixture
def pushing(office: Any, simulator: Any, wait_for: Any) -> Iterator[threading.Thread]:
    """A push of people tagged "staff" with one call at a time, whose first call was just answered."""
    office.crowd(CROWD, "staff")
    simulator.running.world.switches.latency_ms = 200
    thread = threading.Thread(target=office.push, kwargs={"thread_count": 1, "claim_size": CLAIM})
    thread.start()
    wait_for(lambda: simulator.member_count() >= CLAIM)
    yield thread
    thread.join(60)
    assert not thread.is_alive()


def change(office: Any, **wishes: Any) -> None:
    with transaction(office.sessions) as session:
        change_settings(session, session.get_one(Audience, office.audience_id), wishes, "admin")


def test_nobody_whom_a_new_rule_leaves_out_is_added_any_more(
    office: Any, simulator: Any, pushing: threading.Thread
) -> None:
    change(office, entry_rule={"tags_none": ["staff"]})
    before = simulator.member_count()

    pushing.join(60)

    # Those whose call was under way; they would leave now, which is too many to do unasked.
    assert simulator.member_count() <= before + 2 * CLAIM
    assert ("guard", simulator.member_count()) == (
        office.execute("SELECT paused_code FROM audiences")[0][0],
        office.change_count(),
    )


def test_switched_off_it_sends_nothing_more(office: Any, simulator: Any, pushing: threading.Thread) -> None:
    change(office, is_enabled=False)
    before = simulator.member_count()

    pushing.join(60)

    assert simulator.member_count() <= before + 2 * CLAIM
    assert CROWD - simulator.member_count() == office.change_count()
    change(office, is_enabled=True)
    simulator.running.world.switches.latency_ms = 0
    office.push()
    assert simulator.member_count() == CROWD


def test_what_is_added_to_the_settings_reaches_everybody(
    office: Any, simulator: Any, pushing: threading.Thread
) -> None:
    change(office, tags=["staff"])
    simulator.running.world.switches.latency_ms = 0  # whoever is there by now is tagged one by one

    pushing.join(60)
    office.push()

    assert CROWD == simulator.member_count()
    with_tag = sum(
        bool(one.tag_ids) for one in next(iter(simulator.running.world.audiences.values())).members()
    )
    assert (CROWD, 0) == (with_tag, office.change_count())
