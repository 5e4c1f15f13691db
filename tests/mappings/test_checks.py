"""Inline tests fail when the mapping does something else than they say."""

import pytest

from mappings.language.checks import run_tests

RULES = """
when: {path: type, is: join}
fields:
  - {to: email, from: email, required: true, key: true}
  - {to: city, from: city}
consent: [{channel: email, purpose: news, from: box, method: form, at: $event.occurred_at}]
tests:
  - {name: t, given: GIVEN, EXPECT}
"""
JOIN = "{type: join, email: a@b.example, city: Bath, box: 'yes'}"


def differences(compiled, given, expect):
    (outcome,) = run_tests(compiled(RULES.replace("GIVEN", given).replace("EXPECT", expect)))
    return outcome.differences


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        (JOIN, "expect: {email: a@b.example, city: Bath}"),
        (JOIN, "expect: [{email: a@b.example, city: Bath}]"),
        (
            JOIN,
            "expect: {email: a@b.example, city: Bath, consents: [{verdict: given, method: form, occurred_at: '2026-01-01T00:00:00Z'}], warnings: []}",
        ),
        (
            JOIN,
            "event: {occurred_at: '2026-03-05T10:00:00Z'}, expect: {email: a@b.example, city: Bath, consents: [{occurred_at: '2026-03-05T10:00:00Z'}]}",
        ),
        ("{type: join}", "error: {field: email, code: required}"),
        ("{type: x}", "ignored: true"),
        ("{type: x}", "ignored: type is join"),
        ("7", "error: {code: not_an_object}"),
    ],
)
def test_a_test_passes_when_the_mapping_does_what_it_says(compiled, given, expect):
    assert differences(compiled, given, expect) == ()


@pytest.mark.parametrize(
    ("given", "expect", "difference"),
    [
        (JOIN, "expect: {email: a@b.example}", "city: expected None, got 'Bath'."),
        (JOIN, "expect: {email: a@b.example, city: York}", "city: expected 'York', got 'Bath'."),
        (JOIN, "expect: {email: a@b.example, city: Bath, consents: []}", "consents: expected []"),
        (
            JOIN,
            "expect: {email: a@b.example, city: Bath, consents: [{verdict: withdrawn}]}",
            "consents: expected",
        ),
        (JOIN, "expect: []", "0 contact patches expected, got 1."),
        (JOIN, "expect: [7]", "expect is an object of fields."),
        (JOIN, "error: {code: required}", "A rejection expected, got 1."),
        (JOIN, "ignored: true", "ignored: expected True, got 1."),
        ("{type: join}", "error: {code: other}", "error.code: expected 'other', got 'required'."),
        ("{type: join}", "expect: {email: x}", "but the event was rejected: email required"),
        ("{type: x}", "expect: {email: x}", "but the event was ignored"),
        ("{type: x}", "ignored: nonsense", "ignored: expected 'nonsense'"),
        (JOIN, "event: {kidn: x}, expect: {}", 'An event has no "kidn". Did you mean "kind"?'),
        (JOIN, "event: {occurred_at: soon}, expect: {}", "This is not a date"),
    ],
)
def test_a_test_fails_with_a_sentence_when_the_mapping_does_something_else(
    compiled, given, expect, difference
):
    assert any(difference in text for text in differences(compiled, given, expect))
