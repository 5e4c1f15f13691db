"""No content makes a mapping raise, and the generated function does what the rules' own functions do."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.language.compile import EventInfo, compile_mapping
from mappings.language.document import load_document
from mappings.language.explain import explain
from mappings.language.paths import Scope
from mappings.language.presets import list_presets
from mappings.language.rules import Draft, Rejected
from mappings.language.steps.registry import STEPS

KEYS = st.sampled_from(
    ["email", "name", "phone", "newsletter", "data", "contact", "fields", "disclaimers", "type", "merges", "FNAME", "country", "tags", "old_email", "Email", "CL YR",
     "Solicit Code", "class_year", "unsubscribe", "created_time", "timestamp", "platform", "a", "b", "list"]
)  # fmt: skip
TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "ana@example.org",
        "a@b",
        "+44 20 7946 0958",
        "yes",
        "subscribe",
        "unsubscribe",
        "upemail",
        "'98",
        "2026-03-05",
        "GB",
        " ",
        "\x00",
        "\ud800",
        "0",
        "1e999",
        "x;y",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | TEXTS, inner, max_size=5),
    max_leaves=15,
)
CONTENTS = st.dictionaries(KEYS, VALUES, max_size=8)
EVENT = EventInfo(key="k", source="s")
PRESETS = {preset.name: compile_mapping(load_document(preset.text)) for preset in list_presets()}

EVERY_STEP = compile_mapping(
    load_document(
        "mapping: every\nversion: 1\ntarget: contact\nfields:\n  - {to: email, from: [email, data], on_error: skip}\n"
        + "".join(
            f"  - {{to: {'interests' if step.gives in ('list', 'texts') else 'message'}, from: [{json.dumps(path)}], do: [{json.dumps({step.name: step.examples[0].argument}) if step.examples[0].argument else step.name}], on_error: {mode}}}\n"
            for step in STEPS.values()
            if step.gives not in ("boolean", "integer", "number", "year")
            for path, mode in (("a", "skip"), ("fields.a", "review"), ("list[*]", "skip"))
        )
        + "".join(
            f"  - {{to: {to}, from: [a, fields.{to}], default: {default}}}\n"
            for to, default in (
                ("class_year", 1998),
                ("city", "Bath"),
                ("country", "GB"),
                ("interests", "[a]"),
            )
        )
        + "identities: [{kind: x, from: list, scope_from: b}]\ntags: [{add: [t], when: {path: a, exists: true}}]\n"
    )
)


@settings(max_examples=50, deadline=None)
@given(CONTENTS | VALUES)
def test_no_content_makes_a_mapping_raise(content):
    for compiled in (*PRESETS.values(), EVERY_STEP):
        result = compiled.apply(content, EVENT)

        assert bool(result.patches) + bool(result.ignored) + (result.rejected is not None) == 1
        explain(compiled, content, EVENT)


@settings(max_examples=50, deadline=None)
@given(CONTENTS)
def test_what_a_mapping_yields_can_be_stored(content):
    for compiled in (*PRESETS.values(), EVERY_STEP):
        for patch in compiled.apply(content, EVENT).patches:
            text = json.dumps(dict(patch.fields), allow_nan=False, ensure_ascii=False)
            text += "".join(identity.value + identity.scope for identity in patch.identities) + "".join(
                patch.tags_added
            )

            assert "\\u0000" not in text
            assert "\x00" not in text
            text.encode("utf-8")
            assert all(value not in ("", None, []) for value in patch.fields.values())


def run_by_rules(compiled, content):
    draft = Draft()
    try:
        for program in compiled.programs:
            program.run(Scope(content, content, EVENT), draft)
    except Rejected as rejected:
        return rejected.problem, draft.warnings
    return draft.fields, draft.identities, draft.tags_added, draft.consents, draft.warnings


def run_generated(compiled, content):
    draft = Draft()
    try:
        compiled.run(Scope(content, content, EVENT), draft)
    except Rejected as rejected:
        return rejected.problem, draft.warnings
    return draft.fields, draft.identities, draft.tags_added, draft.consents, draft.warnings


@settings(max_examples=50, deadline=None)
@given(CONTENTS)
def test_the_generated_function_does_what_the_rules_do(content):
    for compiled in (*PRESETS.values(), EVERY_STEP):
        # As text: a not-a-number in a problem's value is not equal to itself.
        assert repr(run_generated(compiled, content)) == repr(run_by_rules(compiled, content))


def test_keys_of_a_document_cannot_leave_their_literal():
    odd = 'x\'); raise SystemExit(\'"""\\'
    rules = json.dumps(
        [{"to": "email", "from": "email", "key": True}, {"to": "city", "from": json.dumps(odd)}]
    )
    compiled = compile_mapping(load_document(f"mapping: odd\nversion: 1\ntarget: contact\nfields: {rules}\n"))

    assert compiled.apply({"email": "a@b.example", odd: "Bath"}, EVENT).patches[0].fields["city"] == "Bath"


def test_deep_content_is_read_without_trouble():
    content = {"email": "a@b.example"}
    for _ in range(5_000):
        content = {"email": "a@b.example", "a": content, "list": [content]}

    assert EVERY_STEP.apply(content, EVENT).patches
