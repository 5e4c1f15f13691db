"""What the sync relies on, asked of Mailchimp itself (--live) or of the simulator: both must answer alike.

With --live it writes to the audience of MUSTER_LIVE_LIST_ID; docs/live-contract.md says how to make one for it.
"""

import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from integrations.mailchimp.gateway import Gateway, base_url_for
from integrations.mailchimp.problems import MailchimpProblem
from tests.kit.contract import DEFINITION, load_definition, overheard, violations

MOST_MEMBERS = 100
NEEDED = ("MUSTER_LIVE_API_KEY", "MUSTER_LIVE_LIST_ID", "MUSTER_LIVE_EMAIL")
VISIBLE_SECONDS = 10.0  # tags are said to show late


@dataclass
class Target:
    """An audience to try things in, and addresses that are ours."""

    gateway: Gateway
    list_id: str
    mailbox: str  # somebody@domain; addresses are somebody+...@domain
    is_live: bool
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    used: list[str] = field(default_factory=list)

    def address(self) -> str:
        """A new address of the tester's own."""
        name, _, domain = self.mailbox.partition("@")
        self.used.append(f"{name}+muster-{self.run}-{len(self.used)}@{domain}")
        return self.used[-1]

    def member(self, status: str = "subscribed", **more: object) -> dict[str, object]:
        return {"email_address": self.address(), "status_if_new": status, **more}

    def clean(self) -> None:
        """Erase every address that was used; they are never used again, so nothing is lost by it."""
        for address in self.used:
            try:
                self.gateway.delete_member_permanently(self.list_id, address)
            except MailchimpProblem as problem:
                if problem.action not in {"gone", "done"}:
                    raise
        for tag in self.gateway.search_tags(self.list_id, f"muster-{self.run}"):
            self.gateway.delete_tag(self.list_id, tag.tag_id)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    target = _live() if request.config.getoption("--live") else _simulated(request)
    yield target
    try:
        target.clean()
    finally:
        target.gateway.close()


def _live() -> Target:
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.fail(f"--live needs {', '.join(missing)} (docs/live-contract.md)")
    key, list_id, mailbox = (os.environ[name] for name in NEEDED)
    gateway = Gateway(os.environ.get("MUSTER_LIVE_BASE_URL") or base_url_for(key), key)
    audience = gateway.get_audience(list_id)
    most = int(os.environ.get("MUSTER_LIVE_MOST_MEMBERS") or MOST_MEMBERS)
    if audience.member_count + audience.unsubscribe_count > most:
        gateway.close()
        pytest.fail(f"The audience has more than {most} members: take one that was made for tests.")
    return Target(gateway, list_id, mailbox, is_live=True)


def _simulated(request: pytest.FixtureRequest) -> Target:
    simulator = request.getfixturevalue("simulator")
    gateway = Gateway(simulator.url, simulator.config.api_key)
    return Target(gateway, simulator.config.list_id, "ada@lovelace.test", is_live=False)


def _put(target: Target, body: dict[str, object]):
    return target.gateway.put_member(target.list_id, str(body["email_address"]), body)


def _problem(call) -> MailchimpProblem:
    with pytest.raises(MailchimpProblem) as caught:
        call()
    return caught.value


def test_the_account_answers_and_the_audience_is_there(target):
    assert target.gateway.ping() == "Everything's Chimpy!"
    assert target.gateway.get_root().account_id
    assert target.gateway.get_audience(target.list_id).subscribe_url.startswith("https://")


def test_a_profile_write_brings_nobody_back(target):
    body = target.member()
    _put(target, body)
    target.gateway.patch_member(target.list_id, body["email_address"], {"status": "unsubscribed"})

    after = _put(target, {**body, "merge_fields": {"FNAME": "Ada"}})

    assert (after.status, after.merge_fields["FNAME"]) == ("unsubscribed", "Ada")


def test_merge_fields_are_merged_and_unknown_tags_are_nobodys_business(target):
    body = target.member(merge_fields={"FNAME": "Ada", "LNAME": "King", "NOTTHERE": "x"})
    _put(target, body)

    after = _put(target, {**body, "merge_fields": {"LNAME": ""}})

    assert (after.merge_fields["FNAME"], after.merge_fields["LNAME"]) == ("Ada", "")
    assert "NOTTHERE" not in after.merge_fields


def test_a_write_that_changes_nothing_leaves_no_trace(target):
    body = target.member(merge_fields={"FNAME": "Ada"})
    before = _put(target, body)
    time.sleep(1.1)

    assert _put(target, body).changed_at == before.changed_at


def test_tags_are_added_and_removed_by_name_whatever_their_case(target):
    body, tag = target.member(), f"muster-{target.run}"
    _put(target, body)

    target.gateway.update_tags(target.list_id, body["email_address"], add=[tag])
    assert _tags(target, body, 1) == [tag]
    target.gateway.update_tags(target.list_id, body["email_address"], remove=[tag.upper(), "never-there"])
    assert _tags(target, body, 0) == []


def _tags(target: Target, body: dict[str, object], count: int) -> list[str]:
    """The member's tags, once there are so many, or the time is over."""
    until = time.monotonic() + VISIBLE_SECONDS
    while True:
        found = [
            tag.name for tag in target.gateway.list_member_tags(target.list_id, str(body["email_address"]))
        ]
        if len(found) == count or time.monotonic() > until:
            return found
        time.sleep(0.5)


def test_a_new_address_keeps_the_member(target):
    body, new = target.member(), target.address()
    before = _put(target, body)

    after = target.gateway.patch_member(target.list_id, before.member_hash, {"email_address": new})

    assert (after.contact_id, after.email) == (before.contact_id, new)
    assert after.member_hash != before.member_hash
    assert target.gateway.find_member(target.list_id, body["email_address"]) is None


def test_a_known_address_under_an_unknown_hash_exists_already(target):
    body = target.member()
    _put(target, body)

    problem = _problem(lambda: target.gateway.put_member(target.list_id, "0" * 32, body))

    assert (problem.kind, problem.action) == ("member_exists", "rekey")


def test_an_archived_member_comes_back_as_the_same(target):
    body = target.member()
    before = _put(target, body)

    assert [target.gateway.archive_member(target.list_id, body["email_address"]) for _ in range(2)] == [
        True,
        False,
    ]
    assert target.gateway.get_member(target.list_id, body["email_address"]).status == "archived"
    after = _put(target, {**body, "status": "subscribed"})
    assert (after.contact_id, after.status) == (before.contact_id, "subscribed")


def test_an_erased_member_comes_back_by_no_call(target):
    body = target.member()
    _put(target, body)
    target.gateway.delete_member_permanently(target.list_id, body["email_address"])

    problem = _problem(lambda: _put(target, body))

    assert problem.kind == "forgotten"
    assert target.gateway.find_member(target.list_id, body["email_address"]) is None


def test_a_batch_settles_each_member_by_itself(target):
    known, new = target.member(), target.member()
    _put(target, known)
    fake = {"email_address": "x@example.com", "status_if_new": "subscribed"}

    outcome = target.gateway.push_members(
        target.list_id, [{**known, "merge_fields": {"FNAME": "Old"}}, new, fake]
    )

    assert (outcome.created_count, outcome.updated_count) == (1, 1)
    assert [(error.email, error.kind) for error in outcome.errors] == [("x@example.com", "fake_address")]


def test_what_changed_lately_is_found(target):
    body = target.member()
    _put(target, body)
    since = datetime.now(UTC) - timedelta(minutes=10)

    found = [one.email for one in target.gateway.iterate_members(target.list_id, since=since)]

    assert body["email_address"] in found


def test_nobody_is_none_and_a_bad_key_is_not_nobody(target):
    assert target.gateway.find_member(target.list_id, target.address()) is None
    stranger = Gateway(target.gateway._transport.host, f"{'0' * 32}-us1")

    problem = _problem(lambda: stranger.find_member(target.list_id, target.used[-1]))

    stranger.close()
    assert problem.action == "pause"


@pytest.mark.shared
def test_what_is_said_keeps_to_the_definition(target, shared):
    with overheard(target.gateway) as heard:
        body = target.member(merge_fields={"FNAME": "Ada"})
        _put(target, body)
        target.gateway.push_members(target.list_id, [body, target.member()])
        target.gateway.list_member_tags(target.list_id, body["email_address"])
        target.gateway.list_member_activity(target.list_id, body["email_address"])
        target.gateway.list_merge_fields(target.list_id)
        _problem(lambda: target.gateway.get_member(target.list_id, target.address()))

    assert violations(heard, load_definition(shared / DEFINITION)) == []
