"""`muster audiences` beyond adding and showing: preflight, count, fields, settings, reviews, reading again."""

import json

import pytest
from sqlalchemy import text

from app.audiences.bootstrap import ensure_simulated_audience
from app.audiences.models import Audience
from app.audiences.reviews import open_reviews
from app.audiences.simulated import API_KEY, LIST_ID
from app.cli.audience_settings import read_wishes
from app.core.errors import InvalidError
from app.core.models import AuditEntry
from app.core.secretbox import open_box
from integrations.mailchimp.gateway import Gateway

PERSON = """
WITH person AS (INSERT INTO contacts (fields, tags) VALUES (CAST(:fields AS jsonb), CAST(:tags AS text[])) RETURNING id),
line AS (INSERT INTO consent_evidence (contact_id, channel, purpose, address, verdict, occurred_at)
         SELECT id, 'email', 'newsletter', 'x', 'given', now() FROM person RETURNING id, contact_id)
INSERT INTO consents (contact_id, channel, purpose, status, proof, evidence_id, decided_at)
SELECT contact_id, 'email', 'newsletter', 'given', 'claimed', id, now() FROM line RETURNING contact_id
"""

MEMBER = """
WITH address AS (INSERT INTO identities (kind, match_value, given_value, contact_id)
    VALUES ('email', 'p2@house.test', 'p2@house.test', :id))
INSERT INTO members (audience_id, contact_id, email_address, subscriber_hash, status, pushed_hash, pushed_at)
SELECT a.id, :id, 'p2@house.test', md5('p2@house.test'), 'subscribed', 'written', now() FROM audiences a
"""


@pytest.fixture
def people(sessions, settings, simulator):
    """The built-in audience, and three people with consent of whom one is an alumna; their ids."""
    with sessions.begin() as session:
        ensure_simulated_audience(session, settings, open_box(settings))
        session.execute(text("UPDATE destinations SET base_url = :url"), {"url": simulator.url})
        return [
            session.scalar(
                text(PERSON),
                {
                    "fields": json.dumps({"email": f"p{number}@house.test", "first_name": "x" * 40 * number}),
                    "tags": ["Alumni"] if number == 1 else [],
                },
            )
            for number in range(1, 9)
        ]


def plain(call, *words):
    ended = call(*words, "--json")
    assert 0 == ended.code, ended.err
    return json.loads(ended.out)


def merge_fields(simulator):
    return {one.tag: one.type for one in next(iter(simulator.world.audiences.values())).merge_fields.values()}


def actions(sessions):
    with sessions() as session:
        return [one.action for one in session.query(AuditEntry)]


def test_preflight_counts_what_would_be_cut_and_names_people(call, people):
    found = plain(call, "audiences", "preflight", "newsletter")
    said = call("audiences", "preflight", "newsletter").out

    (row,) = found["rows"]
    assert (8, "too_long", "FNAME", 2) == (found["checked_count"], row["code"], row["tag"], row["count"])
    assert people[6:] == row["contact_ids"]
    assert "(2 of 8; contacts" in said


def test_preflight_says_so_when_everything_fits(call, sessions, people):
    with sessions.begin() as session:
        session.execute(text("UPDATE contacts SET fields = fields - 'first_name'"))

    assert "8 people were looked at, and everything fits" in call("audiences", "preflight", "newsletter").out


def test_a_rule_is_counted_before_it_is_set(call, sessions, people):
    whole = plain(call, "audiences", "count", "newsletter")
    some = plain(call, "audiences", "count", "newsletter", "--rule", '{"tags_any": ["alumni"]}')
    said = call("audiences", "count", "newsletter", "--rule", '{"tags_any": ["alumni"]}').out

    assert (8, 8) == (whole["willing"], whole["entitled"])
    assert (8, 1, people[:1]) == (some["willing"], some["entitled"], some["sample"])
    assert f"1 of 8 people with consent and an address. Such as contact {people[0]}." in said
    with sessions() as session:
        assert {} == session.query(Audience).one().entry_rule


def test_a_merge_field_is_made_with_the_type_that_fits_and_mapped(call, sessions, people, simulator):
    made = plain(call, "audiences", "add-field", "newsletter", "CLASS", "--field", "class_year")

    assert ("CLASS", "number", "class_year") == (made["tag"], made["type"], made["field"])
    assert "number" == merge_fields(simulator)["CLASS"]
    with sessions() as session:
        assert "class_year" == session.query(Audience).one().merge_fields["CLASS"]
    assert {"audience.merge_field", "audience.change"} <= set(actions(sessions))
    again = call("audiences", "add-field", "newsletter", "CLASS")
    assert (65, True) == (again.code, "CLASS already" in again.err)


def test_settings_are_set_one_entry_or_whole_and_audited(call, sessions, people):
    changed = plain(
        call, "audiences", "set", "newsletter",
        "merge_fields.PHONE=", 'merge_fields.LNAME={"from": "last_name", "direction": "ours"}',
        "tags=Alumni, Friends", "guard_share=5%", "on_leave=keep", "keeps_activity=yes",
        'entry_rule={"tags_any": ["alumni"]}',
    )["changed"]  # fmt: skip

    with sessions() as session:
        row = session.query(Audience).one()
        assert {
            "FNAME": "first_name",
            "LNAME": {"from": "last_name", "direction": "ours"},
        } == row.merge_fields
        assert (["Alumni", "Friends"], 0.05, "keep", True) == (
            row.tags, row.guard_share, row.on_leave, row.keeps_activity,
        )  # fmt: skip
        waiting = session.scalar(text("SELECT count(*) FROM changes"))
    assert {"was": "archive", "is": "keep"} == changed["on_leave"]
    assert 8 == waiting
    assert "audience.change" in actions(sessions)
    assert "nothing was changed" in call("audiences", "set", "newsletter", "on_leave=keep").out


def test_an_audience_is_put_off_and_on(call, sessions, people):
    plain(call, "audiences", "set", "newsletter", "is_enabled=no")
    off = plain(call, "audiences", "list")[0]["state"]
    plain(call, "audiences", "set", "newsletter", "is_enabled=yes")

    assert ("off", "ready") == (off, plain(call, "audiences", "list")[0]["state"])
    with sessions() as session:
        assert 8 == session.scalar(text("SELECT count(*) FROM changes"))


@pytest.mark.parametrize(
    "pair",
    [
        "nothing=1",
        "list_id=1",
        "on_leave=gone",
        "guard_share=2",
        "guard_share=nan",
        "guard_share=some",
        "keeps_activity=maybe",
        "merge_fields=[]",
        "merge_fields={",
        "merge_fields.NONE=first_name",
        "merge_fields.FNAME=no_such_field",
        "label.x=1",
        "tags=[1]",
        "tags=a,A",
    ],
)
def test_what_cannot_be_set_is_refused_with_a_next_step_and_changes_nothing(call, sessions, people, pair):
    ended = call("audiences", "set", "newsletter", "label=Another", pair, "--json")

    assert 65 == ended.code, ended.out
    assert json.loads(ended.err)["error"]
    with sessions() as session:
        assert "Another" != session.query(Audience).one().label


def test_words_with_commas_are_given_as_json():
    assert {"tags": ["Class of 1998, Art"]} == read_wishes(Audience(), {"tags": '["Class of 1998, Art"]'})
    with pytest.raises(InvalidError):
        read_wishes(Audience(), {"tags": "[1"})


@pytest.mark.parametrize("verdict", ["ours", "theirs"])
def test_a_review_is_listed_and_decided_once(call, sessions, people, verdict):
    with sessions.begin() as session:
        audience_id = session.query(Audience).one().id
        open_reviews(session, audience_id, [(people[0], "FNAME", "Ana", "Anna")])

    (review,) = plain(call, "audiences", "reviews")
    table = call("audiences", "reviews", "newsletter").out
    decided = plain(call, "audiences", "decide", str(review["review_id"]), verdict)

    assert ("FNAME", "Ana", "Anna", people[0]) == tuple(
        review[name] for name in ("tag", "ours", "theirs", "person_id")
    )
    assert "Anna" in table
    assert (verdict, people[0]) == (decided["verdict"], decided["contact_id"])
    assert "Nothing waits for a decision." in call("audiences", "reviews").out
    assert 73 == call("audiences", "decide", str(review["review_id"]), verdict).code
    with sessions() as session:
        name = session.scalar(
            text("SELECT fields ->> 'first_name' FROM contacts WHERE id = :id"), {"id": people[0]}
        )
        queued = session.scalar(
            text("SELECT count(*) FROM changes WHERE contact_id = :id"), {"id": people[0]}
        )
    assert ("Anna" if verdict == "theirs" else "x" * 40, 1) == (name, queued)


def test_reading_again_tells_what_is_gone(call, sessions, people, simulator):
    same = call("audiences", "refresh", "newsletter").out
    gateway = Gateway(simulator.url, API_KEY)
    (phone,) = [one for one in gateway.list_merge_fields(LIST_ID) if one.tag == "PHONE"]
    gateway.delete_merge_field(LIST_ID, phone.merge_id)
    gateway.close()

    news = plain(call, "audiences", "refresh", "newsletter")

    assert "Nothing that is mapped has changed" in same
    assert {
        "audience": "newsletter",
        "gone": ["PHONE"],
        "back": [],
        "remade": [],
        "changed": [],
        "gone_interests": [],
        "back_interests": [],
    } == news


@pytest.mark.parametrize(
    "words",
    [
        ("preflight", "nope"),
        ("count", "nope"),
        ("set", "nope", "label=x"),
        ("add-field", "nope", "TAG"),
        ("reviews", "nope"),
        ("decide", "99", "ours"),
        ("refresh", "nope"),
    ],
)
def test_what_is_not_there_is_named(call, people, words):
    ended = call("audiences", *words, "--json")

    assert 66 == ended.code, ended.err
    assert json.loads(ended.err)["hint"]


def test_a_rule_that_is_no_rule_is_refused(call, people):
    assert 65 == call("audiences", "count", "newsletter", "--rule", "[]").code
    assert 65 == call("audiences", "count", "newsletter", "--rule", "{").code
    assert 65 == call("audiences", "count", "newsletter", "--rule", '{"nobody": []}').code


def test_a_trial_says_that_a_member_would_be_deleted_and_not_that_a_person_would_be_erased(
    call, people, sessions, tmp_path
):
    with sessions.begin() as session:
        session.execute(
            text("UPDATE audiences SET on_leave = 'delete', entry_rule = '{\"tags_any\": [\"No\"]}'")
        )
        session.execute(text(MEMBER), {"id": people[1]})
    assert 0 == call("sources", "add", "website", "form").code
    sample = tmp_path / "sample.form"
    sample.write_text("email=p2@house.test")

    said = call("sources", "try", "form", str(sample)).out

    assert "  newsletter: delete\n" in said
