"""What other connectors were seen to do to people's lists, each shown not to happen here (fields: test_directions)."""

import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from app.audiences.outward import check_merge_fields
from app.contacts.merge import merge, unmerge
from app.core.db import transaction
from app.core.errors import InvalidError
from integrations.kit.contract import RawRequest, SourceConfig
from integrations.mailchimp.answers import subscriber_hash
from integrations.mailchimp.source import source
from mappings.language.fields import default_fields

ADA, AUGUSTA = "ada@house.test", "augusta@house.test"
LIST_ID = "a1b2c3d4e5"


def joined(office: Any, simulator: Any, **more: Any) -> int:
    contact_id = office.add(ADA, **{"first_name": "Ada", **more})
    office.push()
    assert simulator.member(ADA).status == "subscribed"
    return int(contact_id)


# D1


@pytest.mark.parametrize("kind", ["429", "429_empty", "403_html", "500", "503_empty", "reset_before"])
def test_d1_a_read_that_failed_is_never_taken_for_nobody_there(
    office: Any, simulator: Any, kind: str
) -> None:
    office.execute("""UPDATE audiences SET entry_rule = '{"tags_any": ["alumni"]}'""")
    contact_id = joined(office, simulator, tags=("Alumni",))
    office.tag(contact_id)
    office.push()
    simulator.staff("edit", ADA, status="unsubscribed")
    office.tag(contact_id, "Alumni")
    joins = simulator.subscribing(ADA)
    simulator.fault(kind, times=1, method="GET")

    for _ in range(4):
        office.hurry()
        office.push()

    assert simulator.member(ADA).status == "unsubscribed"
    assert joins == simulator.subscribing(ADA)


# D2


@pytest.mark.parametrize("email", ["Ada@House.test", " ada@house.test ", "ADA@HOUSE.TEST"])
def test_d2_one_member_however_the_address_is_written(office: Any, simulator: Any, email: str) -> None:
    contact_id = joined(office, simulator)

    office.change(contact_id, email=email, first_name="Augusta")
    office.push()

    assert subscriber_hash(email) == hashlib.md5(b"ada@house.test", usedforsecurity=False).hexdigest()
    assert simulator.member_count() == 1
    assert simulator.member(ADA).merge_fields["FNAME"] == "Augusta"


# D3


@pytest.mark.parametrize("tag", ["GRADUATION_YEAR", "first", "A-B", ""])
def test_d3_a_merge_tag_that_mailchimp_would_cut_or_change_is_refused(tag: str) -> None:
    with pytest.raises(InvalidError, match="no merge tag"):
        check_merge_fields({tag: "class_year"})


def test_d3_suggested_merge_tags_are_short_and_differ() -> None:
    tags = [entry.merge_tag for entry in default_fields().entries.values() if entry.merge_tag]

    assert len(tags) == len(set(tags))
    assert max(map(len, tags)) <= 10


# D4


@pytest.mark.parametrize("act", ["unsubscribe", "abuse"])
def test_d4_another_address_restores_no_consent(office: Any, simulator: Any, act: str) -> None:
    contact_id = joined(office, simulator)
    simulator.contact(act, ADA)
    office.pull()
    joins = simulator.subscribing(ADA) + simulator.subscribing(AUGUSTA)
    office.change(contact_id, email=AUGUSTA)

    office.push()
    office.push()

    assert joins == simulator.subscribing(ADA) + simulator.subscribing(AUGUSTA)
    assert office.consent(contact_id) == "withdrawn"
    assert simulator.member(AUGUSTA) is None or simulator.member(AUGUSTA).status == "unsubscribed"


def test_d4_another_address_keeps_the_member_its_tags_and_its_status(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator, tags=("Alumni",))
    simulator.staff("tag", ADA, add=["Board"])
    before = simulator.member(ADA).contact_id
    office.change(contact_id, email=AUGUSTA)

    office.push()

    member = simulator.member(AUGUSTA)
    assert (before, "subscribed", {"Alumni", "Board"}) == (
        member.contact_id,
        member.status,
        simulator.tags(AUGUSTA),
    )
    assert simulator.member_count() == 1


def test_d4_an_address_of_another_member_is_joined_without_touching_its_status(
    office: Any, simulator: Any
) -> None:
    contact_id = joined(office, simulator)
    simulator.staff("add", AUGUSTA)
    simulator.contact("unsubscribe", AUGUSTA)
    office.change(contact_id, email=AUGUSTA)

    office.push()
    office.push()

    assert (simulator.member(ADA).status, simulator.member(AUGUSTA).status) == ("archived", "unsubscribed")
    assert office.consent(contact_id) == "withdrawn"


# D5


def test_d5_an_archived_member_is_not_an_absent_one(office: Any, simulator: Any) -> None:
    contact_id = joined(office, simulator)
    simulator.staff("archive", ADA)
    joins = simulator.subscribing(ADA)
    office.change(contact_id, first_name="Augusta")

    office.push()
    office.push()

    assert simulator.member(ADA).status == "archived"
    assert joins == simulator.subscribing(ADA)


def test_d5_whom_we_archived_comes_back_as_the_same_member(office: Any, simulator: Any) -> None:
    office.execute("""UPDATE audiences SET entry_rule = '{"tags_any": ["alumni"]}'""")
    contact_id = joined(office, simulator, tags=("Alumni",))
    before = simulator.member(ADA).contact_id
    office.tag(contact_id)
    office.push()
    assert simulator.member(ADA).status == "archived"
    office.tag(contact_id, "Alumni")

    office.push()

    assert (simulator.member(ADA).status, before) == ("subscribed", simulator.member(ADA).contact_id)


# D6


@pytest.mark.parametrize("kind", ["radio", "dropdown"])
def test_d6_radio_and_dropdown_fields_take_one_of_their_choices(
    office: Any, simulator: Any, kind: str
) -> None:
    office.gateway().add_merge_field(LIST_ID, "DEGREE", "Degree", kind, {"choices": ["MBA", "PhD"]})
    stored = f'{{"DEGREE": {{"type": "{kind}", "choices": ["MBA", "PhD"]}}}}'
    office.execute(
        "UPDATE audiences SET remote_schema = remote_schema || jsonb_build_object('merge_fields', CAST(:s AS jsonb))",
        s=stored,
    )
    office.put(merge_fields={"FNAME": "first_name", "DEGREE": "degree"})
    fits = office.add(ADA, first_name="Ada", degree="phd")
    other = office.add(AUGUSTA, first_name="Augusta", degree="Diploma")

    office.push()

    assert simulator.member(ADA).merge_fields == {"FNAME": "Ada", "DEGREE": "PhD"}
    assert simulator.member(AUGUSTA).merge_fields == {"FNAME": "Augusta"}
    assert office.mirror(fits).error is None
    assert office.mirror(other).error["code"] == "unfit_merge_field"


# D7


@pytest.mark.parametrize("who", ["winner", "loser"])
def test_d7_an_opt_out_of_either_side_survives_the_merge_and_its_undoing(
    office: Any, simulator: Any, who: str
) -> None:
    winner, loser = office.add(ADA), office.add(AUGUSTA)
    office.push()
    left, address = (winner, ADA) if who == "winner" else (loser, AUGUSTA)
    office.say(left, "withdrawn", address)
    office.push()
    joins = simulator.subscribing(address)

    with transaction(office.sessions) as session:
        merged = merge(session, winner, loser, "the same", "an admin", dictionary=default_fields())
    office.touch(winner, loser)
    office.push()
    office.push()
    together = office.consent(winner)
    with transaction(office.sessions) as session:
        unmerge(session, merged.merge_id, "an admin", dictionary=default_fields())
    office.touch(winner, loser)
    office.push()
    office.push()

    assert (together, office.consent(left)) == ("withdrawn", "withdrawn")
    assert simulator.member(address).status == "unsubscribed"
    assert joins == simulator.subscribing(address)


def test_d7_a_merge_hands_the_member_on_and_unmerging_gives_it_back(office: Any, simulator: Any) -> None:
    winner = office.add(ADA, consent="none")
    loser = office.add(AUGUSTA)
    office.push()
    remote = simulator.member(AUGUSTA).contact_id
    with transaction(office.sessions) as session:
        merged = merge(session, winner, loser, "the same", "an admin", dictionary=default_fields())
    office.touch(winner, loser)
    office.push()
    office.push()
    held = [row[0] for row in office.execute("SELECT contact_id FROM members")]
    with transaction(office.sessions) as session:
        unmerge(session, merged.merge_id, "an admin", dictionary=default_fields())
    office.touch(winner, loser)
    office.push()
    office.push()

    assert held == [winner]
    assert [row[0] for row in office.execute("SELECT contact_id FROM members")] == [loser]
    assert remote in {one.contact_id for one in (simulator.member(ADA), simulator.member(AUGUSTA)) if one}
    assert simulator.member(AUGUSTA).status == "subscribed"


# D11


@pytest.mark.parametrize("policy", ["archive", "unsubscribe", "delete"])
def test_d11_nobody_is_taken_out_whom_muster_did_not_put_there(
    office: Any, simulator: Any, policy: str
) -> None:
    office.execute(
        """UPDATE audiences SET entry_rule = '{"tags_any": ["alumni"]}', on_leave = :policy""", policy=policy
    )
    simulator.staff("add", "staff@house.test")
    simulator.staff("add", AUGUSTA)
    theirs = office.add(AUGUSTA)
    ours = joined(office, simulator, tags=("Alumni",))
    office.pull()
    office.tag(ours)
    office.touch(ours, theirs)

    office.push()

    out = {"archive": "archived", "unsubscribe": "unsubscribed", "delete": None}[policy]
    left = simulator.member(ADA)
    assert (left.status if left else None) == out
    assert [simulator.member(one).status for one in ("staff@house.test", AUGUSTA)] == ["subscribed"] * 2


# D12


def signed(secret: str, body: bytes, moment: float) -> tuple[tuple[str, str], ...]:
    seal = hmac.new(secret.encode(), f"{int(moment)}.".encode() + body, hashlib.sha256).hexdigest()
    form = ("content-type", "application/x-www-form-urlencoded")
    return (form, ("x-mailchimp-signature", f"t={int(moment)},v1={seal}"))


@pytest.mark.parametrize(
    ("url_key", "secret", "age", "is_ok"),
    [
        ("right", "secret", 0, True),
        ("wrong", "secret", 0, False),
        ("right", "another", 0, False),
        ("right", "", 0, False),
        ("right", "secret", 3600, False),
    ],
)
def test_d12_a_webhook_without_key_and_fresh_signature_is_refused(
    url_key: str, secret: str, age: int, is_ok: bool
) -> None:
    body, now = b"type=unsubscribe&data[email]=ada@house.test", time.time()
    headers = (
        signed(secret, body, now - age)
        if secret
        else (("content-type", "application/x-www-form-urlencoded"),)
    )
    request = RawRequest("POST", "https://us.house.test/hooks/mailchimp", headers, body, url_key=url_key)
    config = SourceConfig("mailchimp", {}, {"url_key": ("right",), "signing_secret": ("secret",)})

    verdict = source.verify(request, config, datetime.fromtimestamp(now, UTC))

    assert is_ok == verdict.is_ok
