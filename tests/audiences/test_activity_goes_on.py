"""Campaign activity where one member cannot be read, or nobody; a bounce that is told twice."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from app.audiences.activity import ActivityCounts, pull_activity
from integrations.mailchimp.problems import MailchimpProblem
from integrations.mailchimp.transport import Transport

BOUNCE = {
    "activity_type": "bounce",
    "created_at_timestamp": "2026-11-20T10:00:00+00:00",
    "campaign_id": "abc",
    "campaign_title": "News",
    "bounce_type": "soft",
}
Feeds = dict[str, tuple[int, dict[str, Any]]]


@pytest.fixture
def feeds(monkeypatch: pytest.MonkeyPatch) -> Feeds:
    """What is answered to a question for a member's activity, by its hash; "" for everybody else's."""
    original, found = Transport._send, Feeds()

    def send(self: Transport, request: requests.PreparedRequest, where: str) -> Any:
        named = [answer for name, answer in found.items() if name in (request.path_url or "")]
        if "activity-feed" not in (request.path_url or "") or not named:
            return original(self, request, where)
        return named[0][0], json.dumps(named[0][1]).encode(), None

    monkeypatch.setattr(Transport, "_send", send)
    return found


@pytest.fixture
def read(office: Any) -> Callable[..., ActivityCounts]:
    office.put(keeps_activity=True)
    return lambda **more: pull_activity(office.sessions, office.connections, office.audience_id, **more)


def place(office: Any) -> Any:
    return office.execute("SELECT remote_schema #>> '{activity,after}' FROM audiences")[0][0]


def test_a_member_that_cannot_be_read_keeps_nobody_elses_activity(
    office: Any, read: Any, feeds: Feeds
) -> None:
    ids = office.add_many(5)
    office.push()
    feeds[office.mirror(ids[1]).subscriber_hash] = (504, {})
    feeds[""] = (200, {"activity": [BOUNCE], "total_items": 1})

    counts = read()

    told = office.execute("SELECT contact_id FROM timeline_entries WHERE kind = 'activity' ORDER BY 1")
    assert [row[0] for row in told] == [ids[0], *ids[2:]]
    assert (counts.read, counts.missed, counts.is_whole) == (5, 1, True)


def test_where_nobody_can_be_read_the_run_ends_and_the_next_goes_on_behind_the_first(
    office: Any, read: Any, feeds: Feeds
) -> None:
    ids = office.add_many(6)
    office.push()
    feeds[office.mirror(ids[0]).subscriber_hash] = (200, {"activity": [], "total_items": 0})
    feeds[""] = (504, {})

    with pytest.raises(MailchimpProblem):
        read()

    assert place(office) == str(ids[1])
    assert office.execute("SELECT activity_until FROM audiences") == [(None,)]


def test_a_refusal_of_the_key_passes_nobody_over(office: Any, read: Any, feeds: Feeds) -> None:
    ids = office.add_many(3)
    office.push()
    feeds[office.mirror(ids[2]).subscriber_hash] = (401, {"title": "API Key Invalid"})

    with pytest.raises(MailchimpProblem):
        read()

    assert place(office) == str(ids[1])


def test_a_bounce_that_is_opened_later_is_one_line(office: Any, read: Any, feeds: Feeds) -> None:
    office.add_many(1)
    office.push()
    for is_opened in (False, True):
        feeds[""] = (200, {"activity": [{**BOUNCE, "bounce_has_open_activity": is_opened}], "total_items": 1})
        read()

    assert office.execute("SELECT count(*) FROM timeline_entries WHERE kind = 'activity'") == [(1,)]


def test_a_bounce_of_an_older_muster_is_not_told_again(office: Any, read: Any, feeds: Feeds) -> None:
    office.add_many(1)
    office.push()
    feeds[""] = (200, {"activity": [BOUNCE], "total_items": 1})
    read()
    office.execute("""UPDATE timeline_entries SET detail = detail || '{"bounce_has_open_activity": false}'""")

    counts = read()

    assert (counts.told, office.execute("SELECT count(*) FROM timeline_entries WHERE kind = 'activity'")) == (
        0,
        [(1,)],
    )
