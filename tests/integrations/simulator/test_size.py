"""A member is small, the journal has an end, and files of the first release are still read (not timed)."""

import json
import tracemalloc

import pytest

from integrations.mailchimp.simulator.config import SimulatorConfig, SwitchError, read_switches
from integrations.mailchimp.simulator.journal import KEPT_NOTES, Journal, Note
from integrations.mailchimp.simulator.member import Member, share
from integrations.mailchimp.simulator.world import World

ADA = "ada@lovelace.example"
COUNT = 4000
GOAL_BYTES = 1000


def _members(world, audience):
    for number in range(COUNT):
        member = Member(
            f"{number:032x}", number, f"person{number}@people.example", "subscribed", opt_at=1, changed_at=1
        )
        member.merge_fields = {"FNAME": f"Ada{number}", "LNAME": "King", "PHONE": f"+1555{number}"}
        member.set_tags((4, 8), (1, 1))
        world.save_member(audience, member)


def test_a_member_takes_less_than_a_kilobyte_beyond_its_texts():
    world = World(SimulatorConfig())
    audience = world.audiences[world.config.list_id]
    tracemalloc.start()
    _members(world, audience)
    world.current.members.clear()
    used = tracemalloc.get_traced_memory()[0] / COUNT
    tracemalloc.stop()
    world.close()

    assert used < GOAL_BYTES


def test_equal_tuples_are_one():
    first, second = (tuple(range(4, 8)) for _ in range(2))

    assert share(first) is share(second)


def test_an_address_is_given_back_as_it_was_taken(api):
    address = {"addr1": "1 Street", "addr2": "", "city": "Town", "state": "X", "zip": "1", "country": "DE"}
    api.put(ADA, merge_fields={"ADDRESS": address, "FNAME": 'A "d" \u00e4'})

    found = api.member("GET", ADA).json["merge_fields"]

    assert (address, 'A "d" \u00e4') == (found["ADDRESS"], found["FNAME"])


def test_pages_without_fields_and_with_them_show_the_same(api):
    api.put(ADA, merge_fields={"FNAME": "Ada"}, tags=["x"], location={"latitude": 1.5, "longitude": -2})

    whole, chosen = api.members(), api.members("?fields=members,total_items,list_id,_links")
    lean, member = api.members("?exclude_fields=_links,members._links"), api.member("GET", ADA).json

    assert whole == chosen
    assert whole["members"] == [member]
    assert [{name: value for name, value in member.items() if name != "_links"}] == lean["members"]


def test_the_journal_lets_go_of_its_oldest_before_memory_is_full():
    journal = Journal(100)
    notes = [Note(ADA, "subscribed", False, "created")] * (KEPT_NOTES // 4)
    for _ in range(10):
        entry = journal.open(0, "POST", "/", "")
        entry.notes = notes
        journal.close(entry)

    kept = [one.number for one in journal._entries]

    assert kept == [7, 8, 9, 10]


def test_a_state_file_of_the_first_release_is_read(tmp_path):
    path = tmp_path / "state.jsonl"
    audience = {
        "list_id": "a1b2c3d4e5", "name": "Friends", "api_key": SimulatorConfig().api_key, "web_id": 1, "created_at": 5,
        "is_double_optin": False, "about": {}, "merge_fields": [], "webhooks": [], "tag_names": [[4, "alumni"]],
        "forgotten": ["x"], "signup_blocks": {},
    }  # fmt: skip
    member = [
        "c" * 32, 7, ADA, "subscribed", "", "html", {"FNAME": "Ada"}, {"4": 9}, [], "", 0, "", 3, 4, 0, "", False, 0, 0,
        "API - Generic", "",
    ]  # fmt: skip
    lines = [["audience", "a1b2c3d4e5", audience], ["member", "a1b2c3d4e5", member]]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    for _ in range(2):  # the second start reads what the first has rewritten
        world = World(SimulatorConfig(state_file=path))
        found = world.audiences["a1b2c3d4e5"]
        ada = found.find(ADA)
        world.close()
        assert ({"FNAME": "Ada"}, (4,), (9,), "alumni") == (
            ada.merge_fields, ada.tag_ids, ada.tag_times, found.tags[4].name,
        )  # fmt: skip
        assert {"subscribed": 1} == found.counts


def test_counts_are_right_again_after_a_restart(tmp_path):
    config = SimulatorConfig(state_file=tmp_path / "state.jsonl")
    world = World(config)
    with world.change():
        _members(world, world.audiences[config.list_id])
    with world.change():
        audience = world.audiences[config.list_id]
        member = next(audience.members())
        member.status = "cleaned"
        world.save_member(audience, member)
    before = dict(audience.counts), dict(audience.months)
    world.close()
    again = World(config)
    after = again.audiences[config.list_id]
    again.close()

    assert before == (after.counts, after.months)
    assert after.counts == {"subscribed": COUNT - 1, "cleaned": 1}


def test_switches_are_read_from_words():
    found = read_switches(["tag_delay_seconds=3", "are_archived_listed=true", "batch_limit_text=Too many"])

    assert (3.0, True, "Too many") == (
        found.tag_delay_seconds,
        found.are_archived_listed,
        found.batch_limit_text,
    )


@pytest.mark.parametrize("word", ["odd=1", "latency_ms=soon", "are_archived_listed"])
def test_a_word_that_is_no_switch_is_refused(word):
    with pytest.raises(SwitchError):
        read_switches([word])
