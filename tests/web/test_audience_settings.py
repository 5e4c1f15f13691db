"""An audience's settings in the console: the rule with its count, merge fields, what Muster sets, policies."""

import json

import pytest
from sqlalchemy import Engine

from app.web.pages.audience_form import read_mapping, read_permissions, read_share, shown_mapping
from app.web.pages.rule_words import rule_sentence
from tests.kit.office import Office
from tests.web.conftest import Person, run_sql, token_of

PAGE = "/audiences/newsletter/settings"
RULE = "/audiences/newsletter/rule"


def stored(engine: Engine, column: str) -> object:
    return run_sql(engine, f"SELECT {column} FROM audiences WHERE slug = 'newsletter'")[0][0]


def fragment(person: Person, rule: str) -> str:
    token = token_of(person.get("/account").text)
    data = {"csrf_token": token, "rule": rule}
    return person.client.post(f"{RULE}/count", data=data, headers={"X-Fragment": "1"}).text


@pytest.mark.parametrize(("rule", "expected"), [
    ({}, "Everybody with consent and an e-mail address."),
    ({"tags_any": ["a", "b"]}, "People with consent who have the tag a or b."),
    ({"tags_all": ["a", "b"]}, "People with consent who have the tags a and b."),
    ({"tags_none": ["staff"]}, "People with consent who do not have the tag staff."),
    ({"fields": {"country": ["DE", "AT"]}}, "People with consent whose country is DE or AT."),
    ({"fields": {"country": {"not": ["DE"]}}}, "People with consent whose country is not DE."),
    ({"fields": {"phone": {"is_set": False}}}, "People with consent who have no value for telephone."),
    ({"sources_any": ["web"], "consents": ["events"]},
     "People with consent who came through web, and who consented to events too."),
    ({"tags_any": []}, "People with consent of whom nobody is asked for."),
])  # fmt: skip
def test_a_rule_is_told_as_a_sentence(rule, expected):
    assert expected == rule_sentence(rule)


def test_the_rule_is_shown_with_its_count(viewer: Person, house: Office):
    house.crowd(3, "alumni")
    house.add("nobody@house.test", consent="none")

    page = viewer.get(PAGE).text

    assert 'data-count="3"' in page
    assert "of 3 people with consent" in page
    assert "Everybody with consent" in page


@pytest.mark.parametrize(("rule", "expected"), [
    ('{"tags_any": ["alumni"]}', 'data-count="2"'),
    ("{}", 'data-count="5"'),
    ('{"tags_any": ["alumni"', "is not JSON"),
    ('["alumni"]', "is not a JSON object"),
    ('{"tags": ["alumni"]}', "unknown parts: tags"),
    ('{"fields": 3}', "of the entry rule must be an object"),
])  # fmt: skip
def test_a_rule_is_counted_while_it_is_written(editor: Person, house: Office, rule: str, expected: str):
    house.crowd(2, "alumni")
    for number in range(3):
        house.add(f"other{number}@house.test")

    answer = fragment(editor, rule)

    assert expected in answer
    assert "<html" not in answer


def test_the_count_button_works_without_a_script_and_keeps_the_text(editor: Person, engine, house: Office):
    house.crowd(2, "alumni")

    answer = editor.post(f"{RULE}/count", data={"rule": '{"tags_none": ["alumni"]}'})

    assert 'data-count="0"' in answer.text
    assert "tags_none" in answer.text
    assert {} == stored(engine, "entry_rule")


def test_a_saved_rule_plans_everybody_anew(editor: Person, engine, house: Office, audited):
    house.crowd(2)
    house.execute("DELETE FROM changes")

    answer = editor.post(RULE, data={"rule": '{"tags_any": ["alumni"]}'}, follow_redirects=True)

    assert "The rule is saved" in answer.text
    assert {"tags_any": ["alumni"]} == stored(engine, "entry_rule")
    assert 2 == house.change_count()
    assert [("editor@office.example", "audience.change", "audience:newsletter")] == audited()


def test_a_wrong_rule_is_refused_at_the_form_with_what_was_typed(editor: Person, engine, house: Office):
    answer = editor.post(RULE, data={"rule": '{"tags_any":\n["alumni"'})

    assert 422 == answer.status_code
    assert "It breaks at line 2" in answer.text
    assert "&#34;alumni&#34;" in answer.text
    assert {} == stored(engine, "entry_rule")


def test_a_rule_nested_a_thousand_deep_is_refused(editor: Person, house: Office):
    answer = editor.post(RULE, data={"rule": '{"a":' * 9_000 + "1"})

    assert 422 == answer.status_code


@pytest.mark.parametrize(("source", "direction", "mapped"), [
    ("first_name", "newest", "first_name"),
    ("first_name", "ours", {"from": "first_name", "direction": "ours"}),
    ('{"from": "city", "do": ["upper"]}', "newest", {"from": "city", "do": ["upper"]}),
    ('{"from": "city", "do": ["upper"]}', "ours", {"from": "city", "do": ["upper"], "direction": "ours"}),
])  # fmt: skip
def test_a_mapping_reads_as_it_is_shown(source, direction, mapped):
    assert mapped == read_mapping(source, direction)
    assert (source, direction) == shown_mapping(mapped)


def test_merge_fields_are_mapped_with_their_directions(editor: Person, engine, house: Office, audited):
    data = {
        "from:FNAME": "first_name",
        "direction:FNAME": "review",
        "from:LNAME": '{"from": "last_name", "do": ["upper"]}',
        "direction:LNAME": "ours",
        "from:PHONE": "",
        "from:ADDRESS": "address",
        "direction:EMAIL": "ours",
    }

    answer = editor.post("/audiences/newsletter/fields", data=data, follow_redirects=True)

    assert "The merge fields are saved" in answer.text
    expected = {
        "FNAME": {"from": "first_name", "direction": "review"},
        "LNAME": {"from": "last_name", "do": ["upper"], "direction": "ours"},
        "ADDRESS": "address",
        "EMAIL": {"direction": "ours"},
    }
    assert expected == stored(engine, "merge_fields")
    assert [("editor@office.example", "audience.change", "audience:newsletter")] == audited()


@pytest.mark.parametrize(("name", "value", "problem"), [
    ("from:FNAME", "nonsense", "There is no contact field"),
    ("from:FNAME", '{"from": ', "is not JSON"),
    ("direction:FNAME", "backwards", "is no direction"),
])  # fmt: skip
def test_a_wrong_mapping_is_refused_with_what_was_typed(
    editor: Person, engine, house: Office, *, name: str, value: str, problem: str
):
    before = stored(engine, "merge_fields")

    answer = editor.post("/audiences/newsletter/fields", data={"from:FNAME": "first_name", name: value})

    assert (422, True) == (answer.status_code, problem in answer.text)
    assert before == stored(engine, "merge_fields")


def test_a_new_merge_field_is_made_at_mailchimp_and_mapped(
    editor: Person, engine, house: Office, simulator, audited
):
    answer = editor.post(
        "/audiences/newsletter/fields/new", data={"tag": "city", "source": "city"}, follow_redirects=True
    )

    assert "CITY is made at Mailchimp and takes city." in answer.text
    assert "city" == stored(engine, "merge_fields")["CITY"]
    assert "CITY" in stored(engine, "remote_schema")["merge_fields"]
    assert ["audience.merge_field", "audience.change"] == [action for _, action, _ in audited()]


@pytest.mark.parametrize(("data", "problem"), [
    ({"tag": "FNAME"}, "has a merge field FNAME already"),
    ({"tag": "much too long a tag"}, "is no merge tag"),
    ({"tag": "X", "source": "nonsense"}, "There is no contact field"),
])  # fmt: skip
def test_a_merge_field_that_cannot_be_made_is_refused(editor: Person, house: Office, data, problem):
    answer = editor.post("/audiences/newsletter/fields/new", data=data)

    assert (422, True) == (answer.status_code, problem in answer.text)


def test_a_mapped_field_that_is_gone_is_offered_to_be_made_again(
    editor: Person, engine, house: Office, simulator
):
    editor.post("/audiences/newsletter/fields/new", data={"tag": "CITY", "source": "city"})
    audience = next(iter(simulator.running.world.audiences.values()))
    merge_id = next(one.merge_id for one in audience.merge_fields.values() if one.tag == "CITY")
    gateway = house.connections.gateway(_destination(house))
    gateway.delete_merge_field(audience.list_id, merge_id)

    again = editor.post("/audiences/newsletter/schema", follow_redirects=True)

    assert "gone: CITY" in again.text
    assert "Mailchimp has no merge field CITY." in again.text
    assert "Create CITY" in again.text
    made = editor.post("/audiences/newsletter/fields/new", data={"tag": "CITY"}, follow_redirects=True)
    assert "CITY is made at Mailchimp." in made.text
    assert "Mailchimp has no merge field CITY." not in made.text


def _destination(house: Office):
    from app.audiences.models import Destination

    with house.sessions() as session:
        return session.query(Destination).one()


def test_preflight_counts_whose_values_do_not_fit(viewer: Person, house: Office):
    house.add("ana@house.test", first_name="A" * 300)
    house.add("ben@house.test", first_name="Ben")

    quick, whole = viewer.get(PAGE).text, viewer.get(f"{PAGE}?preflight=1").text

    assert "longer than 255 bytes" not in quick
    assert "longer than 255 bytes" in whole
    assert "x1" in whole


def test_a_preflight_without_findings_says_so(viewer: Person, house: Office):
    house.crowd(2)

    assert "2 people checked: every value fits." in viewer.get(f"{PAGE}?preflight=1").text


def test_tags_interests_and_the_own_id_are_set(editor: Person, engine, house: Office):
    schema = json.dumps({"interests": {"i1": {"name": "Concerts", "group": "Likes"}}})
    house.execute("UPDATE audiences SET remote_schema = remote_schema || CAST(:more AS jsonb)", more=schema)
    data = {
        "tags": "Alumni\n\nFriends\n",
        "kind:i1": "field",
        "what:i1": "country",
        "is:i1": "DE, AT",
        "permissions": "p1 = events",
        "contact_id_field": "LNAME",
    }
    house.execute("""UPDATE audiences SET merge_fields = '{"FNAME": "first_name"}'""")

    answer = editor.post("/audiences/newsletter/managed", data=data, follow_redirects=True)

    assert "Saved. Everybody is planned anew." in answer.text
    assert "Concerts" in answer.text
    assert ["Alumni", "Friends"] == stored(engine, "tags")
    assert {"i1": {"field": "country", "is": ["DE", "AT"]}} == stored(engine, "interests")
    assert ({"p1": "events"}, "LNAME") == (
        stored(engine, "marketing_permissions"),
        stored(engine, "contact_id_field"),
    )


@pytest.mark.parametrize(("data", "problem"), [
    ({"tags": "a\nA"}, "differ in more than their case"),
    ({"permissions": "p1"}, "is no permission and purpose"),
    ({"contact_id_field": "FNAME"}, "both a contact field"),
    ({"contact_id_field": "NOTHERE"}, "has no merge field"),
])  # fmt: skip
def test_what_cannot_be_managed_is_refused_at_its_form(editor: Person, engine, house: Office, data, problem):
    answer = editor.post("/audiences/newsletter/managed", data=data)

    assert (422, True) == (answer.status_code, problem in answer.text)
    assert [] == stored(engine, "tags")


def test_policies_are_set(editor: Person, engine, house: Office, audited):
    data = {
        "label": "Our friends", "on_leave": "unsubscribe", "on_return": "form_only", "guard_per_cent": "2,5",
        "is_double_opt_in": "1",
    }  # fmt: skip

    answer = editor.post("/audiences/newsletter/policies", data=data, follow_redirects=True)

    assert "Saved." in answer.text
    assert ("Our friends", "unsubscribe", "form_only", 0.025, True, False) == tuple(
        run_sql(
            engine,
            "SELECT label, on_leave, on_return, guard_share, is_double_opt_in, keeps_activity FROM audiences",
        )[0]
    )
    assert [("editor@office.example", "audience.change", "audience:newsletter")] == audited()


@pytest.mark.parametrize("text", ["", "none", "0", "101", "-5", "nan"])
def test_a_guard_that_guards_nothing_is_refused(editor: Person, engine, house: Office, text: str):
    data = {"on_leave": "archive", "on_return": "form_only", "guard_per_cent": text}

    answer = editor.post("/audiences/newsletter/policies", data=data)

    assert 422 == answer.status_code
    assert 0.1 == stored(engine, "guard_share")


def test_nothing_changed_is_told_and_not_audited(editor: Person, house: Office, audited):
    answer = editor.post(RULE, data={"rule": "{}"}, follow_redirects=True)

    assert "Nothing was changed." in answer.text
    assert [] == audited()


def test_small_readers():
    assert ({"a": "b"}, 0.1) == (read_permissions(" a = b \n\n"), read_share("10 %"))
