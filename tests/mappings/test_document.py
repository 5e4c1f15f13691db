"""What is wrong with a document is said at once: where, on which line, why, and what was probably meant."""

import pytest

from mappings.language.checks import lint
from mappings.language.compile import compile_mapping
from mappings.language.document import MappingError, load_document
from mappings.language.fields import default_fields, load_fields

HEAD = "mapping: example\nversion: 1\ntarget: contact\n"


def problems_of(text: str):
    try:
        compile_mapping(load_document(text))
    except MappingError as error:
        return [(problem.path, problem.code, problem.line, problem.hint) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("fields:\n  - {to: emial, from: a}", ("fields[0].to", "unknown_field", 5, 'Did you mean "email"?')),
        (
            "fields:\n  - {to: email, form: a, from: b}",
            ("fields[0].form", "unknown_key", 5, 'Did you mean "from"?'),
        ),
        (
            "fields:\n  - to: email\n    from: a\n    do:\n      - trim\n      - emal\n",
            ("fields[0].do[1]", "unknown_step", 9, 'Did you mean "email"?'),
        ),
        ("feilds: []", ("feilds", "unknown_key", 4, 'Did you mean "fields"?')),
        ("when: {path: a, iss: b}", ("when.iss", "unknown_key", 4, 'Did you mean "is"?')),
        (
            "fields: [{to: email, from: $event.kin}]",
            ("fields[0].from", "bad_path", 4, 'Did you mean "kind"?'),
        ),
        (
            "fields: [{to: city, from: a, check: {betwen: [1, 2]}}]",
            ("fields[0].check.betwen", "unknown_key", 4, 'Did you mean "between"?'),
        ),
    ],
)
def test_a_slip_is_named_with_its_line_and_what_was_meant(rules, expected):
    assert problems_of(HEAD + rules) == [expected]


@pytest.mark.parametrize(
    ("rules", "path", "code"),
    [
        ("fields: [{to: city, from: a, do: [integer, lower]}]", "fields[0].do[1]", "type_mismatch"),
        ("fields: [{to: city, from: a, do: [integer]}]", "fields[0].do[0]", "type_mismatch"),
        ("fields: [{to: city, from: a, do: [trim, ticked]}]", "fields[0].do[1]", "type_mismatch"),
        ("fields: [{to: email, from: a, on_error: keep_raw}]", "fields[0].on_error", "bad_on_error"),
        ("fields: [{to: city, from: a, mode: add}]", "fields[0].mode", "bad_mode"),
        ("fields: [{to: tags, from: a, mode: set}]", "fields[0].mode", "bad_mode"),
        ("fields: [{to: city, from: a, key: true}]", "fields[0].key", "not_an_identity"),
        ("fields: [{to: city, from: a, check: {between: [1, 2]}}]", "fields[0].check", "bad_check"),
        ("fields: [{to: class_year, default: soon}]", "fields[0].default", "not_a_year"),
        ("fields: [{to: class_year}]", "fields[0].from", "missing"),
        ("fields: [{to: city, from: []}]", "fields[0].from", "bad_path"),
        ("fields: [{to: city, from: [a, b..c]}]", "fields[0].from[1]", "bad_path"),
        ("fields: [{to: city, from: a, do: [{each: trimm}]}]", "fields[0].do[0].each", "unknown_step"),
        ("fields: [{to: city, from: a, required: maybe}]", "fields[0].required", "invalid"),
        ("fields: [{to: city, from: a, on_error: explode}]", "fields[0].on_error", "invalid"),
        ("fields: {to: city}", "fields", "invalid"),
        ("fields: [city]", "fields[0]", "invalid"),
        ('consent: [{channel: email, purpose: "*", from: a}]', "consent[0].purpose", "too_wide"),
        ('consent: [{channel: email, purpose: "*", always: given}]', "consent[0].purpose", "too_wide"),
        ("consent: [{channel: email, purpose: news}]", "consent[0].from", "missing"),
        ("consent: [{channel: email, purpose: news, from: a, always: given}]", "consent[0].from", "missing"),
        (
            "consent: [{channel: email, purpose: news, from: a, do: [integer, lower]}]",
            "consent[0].do[1]",
            "type_mismatch",
        ),
        ("identities: [{kind: email, from: a, do: [integer]}]", "identities[0].do[0]", "type_mismatch"),
        ("when: {path: a}", "when", "bad_condition"),
        ("when: [{path: a, is: [b]}]", "when[0].is", "bad_condition"),
        ("tests: [{name: x, given: {}}]", "tests[0].expect", "bad_test"),
        ("tags: [{add: ['']}]", "tags[0].add", "bad_tag"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rules, path, code):
    assert [(found_path, found_code) for found_path, found_code, _, _ in problems_of(HEAD + rules)] == [
        (path, code)
    ]


def test_every_problem_is_told_at_once_in_the_order_of_the_lines():
    found = problems_of(
        "mapping: Bad Name\nversion: 2\nfields:\n  - {to: nope, from: a, do: [trimm]}\n  - {from: b}\n"
    )

    assert [(path, line) for path, _, line, _ in found] == [
        ("mapping", 1), ("target", 1), ("version", 2), ("fields[0].to", 4), ("fields[0].do[0]", 4), ("fields[1].to", 5),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["7", "[]", "text", "null"])
def test_a_document_that_is_no_object_is_refused(text):
    assert problems_of(text)[0][1] == "not_a_mapping"


def test_a_bad_value_is_quoted_at_no_more_than_80_characters():
    with pytest.raises(MappingError) as error:
        load_document(HEAD + f"fields: [{{to: {'x' * 300}, from: a}}]")

    assert len(error.value.problems[0].value) == 80


def test_the_message_of_the_exception_names_the_first_problem():
    with pytest.raises(MappingError, match=r"fields\[0\].to, line 4: There is no field \"nope\"."):
        load_document(HEAD + "fields: [{to: nope, from: a}]")


def test_lint_tells_of_missing_tests_keys_and_wording():
    found = lint(HEAD + "fields: [{to: email, from: e}]\nconsent: [{channel: email, purpose: news, from: n}]")

    assert [problem.code for problem in found] == ["no_tests", "no_key", "no_wording"]


def test_lint_tells_of_failing_tests():
    found = lint(
        HEAD
        + "fields: [{to: email, from: e, key: true}]\ntests: [{name: t, given: {e: a@b.example}, expect: {email: c@b.example}}]"
    )

    assert [(problem.path, problem.code) for problem in found] == [("tests[0]", "test_failed")]
    assert "expected 'c@b.example', got 'a@b.example'" in found[0].reason


def test_the_field_dictionary_has_every_usual_field():
    names = set(default_fields().names())

    assert {"email", "phone", "first_name", "last_name", "maiden_name", "salutation", "birthday", "class_year", "degree", "organisation",
            "job_title", "city", "postal_code", "country", "language", "external_id", "website"} <= names  # fmt: skip


def test_merge_tags_are_suggested_once_each():
    tags = [entry.merge_tag for entry in default_fields().entries.values() if entry.merge_tag]

    assert len(tags) == len(set(tags))


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("fields: {a: {label: A, type: txet}}", "fields.a.type", "invalid"),
        ("fields: {a: {label: A, type: text, lable: x}}", "fields.a.lable", "unknown_key"),
        ("fields: {Bad Name: {label: A, type: text}}", "fields.Bad Name", "invalid"),
        ("fields: {a: text}", "fields.a", "invalid"),
        ("fields: {}", "fields", "missing"),
        ("[]", "fields", "missing"),
    ],
)
def test_a_broken_field_dictionary_is_refused(text, path, code):
    with pytest.raises(MappingError) as error:
        load_fields(text)

    assert [(problem.path, problem.code) for problem in error.value.problems] == [(path, code)]


def test_a_dictionary_of_ones_own_is_used():
    fields = load_fields(
        "fields: {shoe_size: {label: Shoe size, type: integer}, email: {label: E, type: email, identity: email}}"
    )
    document = load_document(HEAD + "fields: [{to: shoe_size, from: s}, {to: email, from: e}]", fields)

    assert compile_mapping(document, fields).outputs == ("shoe_size", "email")
