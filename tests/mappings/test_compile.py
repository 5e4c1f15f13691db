"""What a compiled mapping makes of an event."""

from datetime import UTC, datetime

import pytest

from mappings.language.patch import ConsentEvidence, Identity

EMAIL = "fields:\n  - {to: email, from: email, key: true}\n"
ANA = {"email": "ana@example.org"}


def rule(text: str) -> str:
    return f"{EMAIL}  - {{{text}}}\n"


def test_a_field_with_an_identity_points_at_the_person(apply):
    result = apply(EMAIL, {"email": " Ana@Example.ORG "})

    assert result.patches[0].identities == (Identity("email", "Ana@example.org"),)
    assert result.patches[0].fields == {"email": "Ana@example.org"}


def test_the_number_at_the_source_is_scoped_by_the_source(apply):
    result = apply("fields: [{to: external_id, from: id}]", {"id": 77}, source="alumni")

    assert result.patches[0].identities == (Identity("external_id", "77", "alumni"),)


@pytest.mark.parametrize("blank", [None, "", "  \t", [], {}])
def test_a_blank_value_is_absent(apply, blank):
    result = apply(rule("to: city, from: city"), {**ANA, "city": blank})

    assert (result.patches[0].fields, result.warnings) == (ANA, ())


@pytest.mark.parametrize("blank", [None, "", " ", "n/a", []])
def test_a_default_stands_where_nothing_was_found(apply, blank):
    result = apply(
        rule("to: city, from: city, do: [{blank_if: [n/a]}], default: London"), {**ANA, "city": blank}
    )

    assert result.patches[0].fields["city"] == "London"


@pytest.mark.parametrize("blank", [None, "", " ", []])
def test_a_missing_required_value_rejects_the_event(apply, blank):
    result = apply("fields: [{to: email, from: [email, mail], required: true, key: true}]", {"email": blank})

    assert (result.rejected.code, result.rejected.field, result.rejected.path) == (
        "required",
        "email",
        "email",
    )
    assert (result.patches, result.ignored) == ((), "")


@pytest.mark.parametrize("text", ["required: true", "key: true", "on_error: reject"])
def test_a_value_that_cannot_be_read_rejects_the_event_where_the_rule_is_strict(apply, text):
    result = apply(f"fields: [{{to: email, from: email, {text}}}]", {"email": "nobody at example.org"})

    assert (result.rejected.code, result.rejected.value) == ("not_an_email", "nobody at example.org")


def test_a_value_that_cannot_be_read_is_else_left_out_with_a_warning(apply):
    result = apply(rule("to: class_year, from: year"), {**ANA, "year": "soon"})

    assert result.patches[0].fields == ANA
    assert [(warning.field, warning.code, warning.path, warning.line) for warning in result.warnings] == [
        ("class_year", "not_a_year", "year", 6)
    ]


def test_a_value_for_review_is_left_out_and_its_warning_says_so(apply):
    result = apply(rule("to: class_year, from: year, on_error: review"), {**ANA, "year": "soon"})

    assert (result.patches[0].fields, result.warnings[0].code) == (ANA, "review.not_a_year")


def test_a_text_may_be_kept_as_it_came(apply):
    result = apply(
        rule("to: city, from: city, do: [{one_of: [London]}], on_error: keep_raw"), {**ANA, "city": " Paris "}
    )

    assert (result.patches[0].fields["city"], result.warnings[0].code) == ("Paris", "not_one_of")


def test_the_first_rule_that_yields_a_value_wins(apply):
    rules = f"{EMAIL}  - {{to: city, from: town}}\n  - {{to: city, from: city}}\n  - {{to: city, default: Nowhere}}\n"

    assert [
        apply(rules, {**ANA, **content}).patches[0].fields["city"]
        for content in ({"town": "A", "city": "B"}, {"city": "B"}, {})
    ] == ["A", "B", "Nowhere"]


def test_text_is_trimmed_and_otherwise_left_as_it_is(apply):
    name = "X Æ A-12 {{7*7}} *|FNAME|* \u200f👩\u200d👧"

    assert (
        apply(rule("to: full_name, from: n"), {**ANA, "n": f"  {name} "}).patches[0].fields["full_name"]
        == name
    )


def test_what_a_database_cannot_hold_is_taken_out(apply):
    result = apply(rule("to: city, from: c"), {**ANA, "c": "Lon\x00don \ud800"})

    assert result.patches[0].fields["city"] == "London \ufffd"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("x" * 2_001, "too_long"),
        (["a", "b"], "several_values"),
        ({"a": 1}, "not_text"),
        (True, "not_text"),
        (float("nan"), "not_a_number"),
        (10**200, "too_long"),
    ],
)
def test_what_is_no_text_is_left_out_with_a_warning(apply, value, code):
    result = apply(rule("to: city, from: c"), {**ANA, "c": value})

    assert (result.patches[0].fields, [warning.code for warning in result.warnings]) == (ANA, [code])


def test_a_number_and_a_list_of_one_count_as_text(apply):
    values = [
        apply(rule("to: city, from: c"), {**ANA, "c": value}).patches[0].fields["city"]
        for value in (1998, 1998.0, ["Bath"])
    ]

    assert values == ["1998", "1998", "Bath"]


@pytest.mark.parametrize(
    ("check", "value", "is_passed"),
    [
        ("to: class_year, from: v, check: {between: [1990, 2000]}", "1998", True),
        ("to: class_year, from: v, check: {between: [1990, 2000]}", "1989", False),
        ("to: city, from: v, check: {one_of: [Bath, York]}", "Bath", True),
        ("to: city, from: v, check: {one_of: [Bath, York]}", "Rome", False),
        ("to: city, from: v, check: {max_length: 4}", "Bath", True),
        ("to: city, from: v, check: {max_length: 3}", "Bath", False),
        ("to: city, from: v, check: {matches: '^B'}", "Bath", True),
        ("to: city, from: v, check: {matches: '^B'}", "York", False),
    ],
)
def test_a_check_lets_a_value_pass_or_warns(apply, check, value, is_passed):
    result = apply(rule(check), {**ANA, "v": value})

    assert ([warning.code for warning in result.warnings], len(result.patches[0].fields)) == (
        ([], 2) if is_passed else (["check_failed"], 1)
    )


def test_an_event_in_which_nobody_is_named_is_rejected_with_the_cause(apply):
    result = apply(
        "fields: [{to: phone, from: phone}, {to: city, from: city}]", {"phone": "call me", "city": "Bath"}
    )

    assert result.rejected.code == "no_identity"
    assert "phone: This is not a telephone number" in result.rejected.reason


@pytest.mark.parametrize(
    ("when", "content", "holds"),
    [
        ("{path: t, is: Join}", {"t": " join "}, True), ("{path: t, is: join}", {"t": "x"}, False), ("{path: t, in: [a, b]}", {"t": "b"}, True),
        ("{path: t, is: true}", {"t": True}, True), ("{path: t, is: 7}", {"t": 7}, True), ("{path: t, is: a}", {"t": ["b", "a"]}, True),
        ("{path: t, is: a}", {"t": {"a": 1}}, False), ("{path: t, exists: true}", {"t": 0}, True), ("{path: t, exists: true}", {"t": " "}, False),
        ("{path: t, exists: false}", {}, True), ("{not: {path: t, is: a}}", {"t": "b"}, True),
        ("[{path: t, is: a}, {path: u, is: b}]", {"t": "a", "u": "c"}, False), ("{any: [{path: t, is: a}, {path: u, is: b}]}", {"u": "b"}, True),
    ],
)  # fmt: skip
def test_a_condition_decides_whether_an_event_is_read(apply, when, content, holds):
    result = apply(f"when: {when}\n{EMAIL}", {**ANA, **content})

    assert bool(result.patches) is holds
    assert bool(result.ignored) is not holds


def test_a_condition_of_a_rule_holds_back_that_rule_alone(apply):
    rules = f"{EMAIL}  - {{to: city, from: city, when: {{path: t, is: a}}}}\n"

    assert [len(apply(rules, {**ANA, "city": "Bath", "t": t}).patches[0].fields) for t in "ab"] == [2, 1]


def test_tags_come_from_values_and_from_fixed_names(apply):
    rules = EMAIL + (
        "  - {to: tags, from: interests}\n  - {to: tags, from: left, mode: remove}\n"
        "tags:\n  - {add: [website, mentor]}\n  - {remove: [prospect], when: {path: gave, exists: true}}\n"
    )
    patch = apply(
        rules, {**ANA, "interests": ["mentor", " mentor", "", "x" * 150], "left": "old", "gave": 1}
    ).patches[0]

    assert (patch.tags_added, patch.tags_removed) == (("mentor", "x" * 100, "website"), ("old", "prospect"))


def test_an_identity_rule_adds_an_identity_with_its_scope(apply):
    rules = (
        EMAIL
        + "identities:\n  - {kind: meta_psid, from: psid, scope_from: $event.account}\n  - {kind: email, from: other}\n  - {kind: phone, from: tel}\n"
    )
    result = apply(
        rules,
        {**ANA, "psid": 12345678901234567890, "other": "ana@example.org", "tel": "nope"},
        account="page-1",
    )

    assert result.patches[0].identities == (
        Identity("email", "ana@example.org"),
        Identity("meta_psid", "12345678901234567890", "page-1"),
    )
    assert [warning.code for warning in result.warnings] == ["not_a_phone"]


def test_each_entry_of_a_list_becomes_a_patch(apply):
    rules = "each: people\n" + rule("to: origin, from: $root.form")
    result = apply(rules, {"form": "F", "people": [ANA, {"email": "bo@example.org"}, {"email": "broken"}, 7]})

    assert [patch.fields for patch in result.patches] == [
        {**ANA, "origin": "F"},
        {"email": "bo@example.org", "origin": "F"},
    ]
    assert [(warning.path, warning.code) for warning in result.warnings] == [
        ("people[2].email", "not_an_email"),
        ("people[3]", "not_an_object"),
    ]


def test_a_list_in_which_no_entry_can_be_read_rejects_the_event(apply):
    result = apply("each: people\n" + EMAIL, {"people": [{"email": "broken"}]})

    assert (result.patches, result.rejected.path, result.rejected.code) == (
        (),
        "people[0].email",
        "not_an_email",
    )


@pytest.mark.parametrize("people", [None, [], {}, " "])
def test_an_empty_list_is_ignored(apply, people):
    result = apply("each: people\n" + EMAIL, {"people": people})

    assert (bool(result.ignored) or result.rejected is not None, result.patches) == (True, ())


def test_a_list_that_is_too_long_is_rejected(apply):
    assert apply("each: people\n" + EMAIL, {"people": [ANA] * 1_001}).rejected.code == "too_long"


def test_an_erasure_is_marked(apply):
    rules = EMAIL + "erase: {path: type, is: deleted}\nsummary: told by the platform\n"

    assert [(patch.is_erasure, patch.summary) for t in ("deleted", "x") for patch in apply(rules, {**ANA, "type": t}).patches] == [
        (True, "told by the platform"), (False, "told by the platform"),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, 7, "text", [ANA]])
def test_content_that_is_no_object_is_rejected(apply, content):
    assert apply(EMAIL, content).rejected.code == "not_an_object"


def test_a_mapping_knows_what_it_reads_and_writes(compiled):
    found = compiled(
        "when: {path: form, is: x}\n" + rule("to: phone, from: [tel, mobile], do: [{phone: {region_from: country}}], when: {path: ok, exists: true}")
        + "consent: [{channel: email, purpose: news, from: box, wording_from: text, at: time, address_from: mail}]\nidentities: [{kind: x, from: id, scope_from: page}]\n"
    )  # fmt: skip

    assert set(found.inputs) == {
        "form",
        "email",
        "tel",
        "mobile",
        "country",
        "ok",
        "box",
        "text",
        "time",
        "mail",
        "id",
        "page",
    }
    assert found.outputs == ("email", "phone", "identity:x", "consent:email/news")


def consents(apply, text, content):
    result = apply(f"{EMAIL}consent: [{{channel: email, purpose: news, {text}}}]\n", {**ANA, **content})
    return [evidence.verdict for evidence in result.patches[0].consents], [
        warning.code for warning in result.warnings
    ]


@pytest.mark.parametrize(
    ("text", "content", "verdicts", "warnings"),
    [
        ("from: n", {"n": "Yes"}, ["given"], []), ("from: n", {"n": True}, ["given"], []), ("from: n", {"n": 1}, ["given"], []),
        ("from: n", {}, [], []), ("from: n", {"n": ""}, [], []), ("from: n", {"n": "no"}, [], []), ("from: n", {"n": False}, [], []),
        ("from: n", {"n": "whatever"}, [], []), ("from: n", {"n": ["0", "1"]}, ["given"], []), ("from: n", {"n": {"a": True}}, ["given"], []),
        ("from: n", {"n": {"a": ""}}, [], []), ("from: n, yes: [newsletter]", {"n": "Newsletter"}, ["given"], []),
        ("from: n, yes: [newsletter]", {"n": "yes"}, [], []),
        ("from: n, no: [opt out]", {"n": "Opt-Out!"}, ["withdrawn"], []), ("from: n, no: [opt out]", {"n": "yes"}, [], []),
        ("from: n, yes: [a], no: [b]", {"n": ["a", "b"]}, ["withdrawn"], []), ("from: n, yes: [a], no: [b]", {"n": "c"}, [], ["consent_unclear"]),
        ("from: n, yes: [a], no: [b]", {"n": "false"}, [], []),
        ("always: given", {}, ["given"], []), ("always: withdrawn", {}, ["withdrawn"], []),
        ("always: given, when: {path: t, is: x}", {"t": "y"}, [], []),
        ("always: given, address_from: m", {"m": "broken"}, [], ["not_an_email"]),
        ("always: withdrawn, address_from: m", {"m": "broken"}, ["withdrawn"], ["not_an_email"]),
        ("always: given, at: t", {"t": "soon"}, ["given"], ["not_a_date"]),
        ("from: n, do: [{cut: 3}]", {"n": "yes please"}, ["given"], []),
        ("from: n, do: [integer]", {"n": "x"}, [], ["not_a_number"]),
    ],
)  # fmt: skip
def test_evidence_is_only_what_was_plainly_said(apply, text, content, verdicts, warnings):
    assert consents(apply, text, content) == (verdicts, warnings)


def test_evidence_carries_its_proof(apply):
    rules = EMAIL + (
        "consent: [{channel: email, purpose: news, from: boxes, wording_from: boxes, at: t, method: disclaimer, proof: confirmed, address_from: email}]\n"
    )
    result = apply(
        rules,
        {**ANA, "boxes": {"news_ok": "1", "sms_ok": "", "post_ok": True}, "t": "2026-03-05T10:22:31+0100"},
    )

    assert result.patches[0].consents == (
        ConsentEvidence(
            "email",
            "news",
            "given",
            "confirmed",
            "news_ok, post_ok",
            "disclaimer",
            datetime(2026, 3, 5, 9, 22, 31, tzinfo=UTC),
            "ana@example.org",
        ),
    )


def test_the_same_evidence_stands_once(apply):
    one = "{channel: email, purpose: news, from: n, method: form}"

    assert len(apply(f"{EMAIL}consent: [{one}, {one}]\n", {**ANA, "n": "yes"}).patches[0].consents) == 1


def test_a_patch_is_frozen(apply):
    with pytest.raises(AttributeError):
        apply(EMAIL, ANA).patches[0].summary = "x"
