"""Webhooks are hints: what they tell of a member whom we know waits until the member itself was read."""

from collections.abc import Callable
from typing import Any

from app.audiences.activity import pull_activity

ADA, EVE = "ada@house.test", "eve@house.test"
LIST_ID = "a1b2c3d4e5"
Webhook = Callable[..., None]


def known_member(office: Any) -> int:
    contact_id = office.add(ADA, first_name="Ada", last_name="Byron")
    office.push()
    office.pull()
    return int(contact_id)


def test_a_forged_change_of_address_moves_neither_mirror_nor_contact(
    office: Any, simulator: Any, webhook: Webhook
) -> None:
    contact_id = known_member(office)

    webhook("upemail", old_email=ADA, new_email=EVE, new_id="0123456789")
    for _ in range(2):
        office.push()
        office.pull()

    assert (office.mirror(contact_id).email_address, office.fields(contact_id)["email"]) == (ADA, ADA)
    assert (simulator.member(ADA).status, simulator.member(EVE)) == ("subscribed", None)
    assert office.execute("SELECT count(*) FROM identities") == [(1,)]


def test_a_forged_profile_changes_no_value(office: Any, simulator: Any, webhook: Webhook) -> None:
    contact_id = known_member(office)

    webhook("profile", email=ADA, **{"merges][FNAME": "Eve", "merges][LNAME": "Evil"})
    for _ in range(2):
        office.pull()
        office.push()

    assert office.fields(contact_id) == {"email": ADA, "first_name": "Ada", "last_name": "Byron"}
    assert simulator.member(ADA).merge_fields == {"FNAME": "Ada", "LNAME": "Byron"}


def test_a_true_profile_comes_in_by_the_pull_with_its_source_and_is_not_sent_back(
    office: Any, simulator: Any, webhook: Webhook
) -> None:
    contact_id = known_member(office)
    simulator.call("POST", "/clock", {"advance_seconds": 5})
    simulator.contact("edit", ADA, merge_fields={"LNAME": "King"})
    webhook("profile", email=ADA, **{"merges][FNAME": "Ada", "merges][LNAME": "King"})
    office.push()
    office.pull()
    calls = simulator.calls

    office.push()

    origin = office.execute(
        "SELECT s.slug, c.fields ->> 'last_name' FROM contacts c"
        " JOIN sources s ON s.id = (c.provenance -> 'last_name' ->> 'source_id')::bigint WHERE c.id = :id",
        id=contact_id,
    )
    assert origin == [("mailchimp", "King")]
    assert calls == simulator.calls


def test_a_stranger_who_signs_up_comes_in_at_once(office: Any, webhook: Webhook) -> None:
    webhook("subscribe", email=EVE, **{"merges][FNAME": "Eve"})

    assert office.execute("SELECT fields FROM contacts") == [({"email": EVE, "first_name": "Eve"},)]


# Activity


def test_campaign_activity_is_told_once_and_only_where_it_is_kept(office: Any, simulator: Any) -> None:
    contact_id = known_member(office)
    simulator.contact("open", ADA, campaign_id="c0ffee0001")
    simulator.contact("click", ADA, campaign_id="c0ffee0001", url="https://house.test/events")

    def told() -> list[Any]:
        rows = office.execute(
            "SELECT detail ->> 'activity' FROM timeline_entries WHERE contact_id = :id AND kind = 'activity' ORDER BY 1",
            id=contact_id,
        )
        return [row[0] for row in rows]

    def read() -> Any:
        return pull_activity(office.sessions, office.connections, office.audience_id)

    off = read()
    office.execute("UPDATE audiences SET keeps_activity = true")
    counts = [read() for _ in range(2)]

    assert (off.call_count, off.told) == (0, 0)
    assert told() == ["click", "open"]
    assert [(one.read, one.told, one.is_whole) for one in counts] == [(1, 2, True), (1, 0, True)]
    assert office.execute("SELECT activity_until IS NOT NULL FROM audiences") == [(True,)]


def test_activity_of_many_is_read_a_bounded_part_a_run(office: Any, simulator: Any) -> None:
    office.execute("UPDATE audiences SET keeps_activity = true")
    office.crowd(5)
    office.push()

    runs = [
        pull_activity(office.sessions, office.connections, office.audience_id, call_limit=2) for _ in range(3)
    ]

    assert [(one.read, one.call_count, one.is_whole) for one in runs] == [
        (2, 2, False),
        (2, 2, False),
        (1, 1, True),
    ]
