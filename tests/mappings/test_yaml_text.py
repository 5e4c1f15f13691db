"""YAML is read with JSON's types, and refused where it is dangerous or unclear."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.language.problems import MappingError
from mappings.language.yaml_text import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("zip: 010\nt: 12:30:45\nday: 2026-03-05", {"zip": "010", "t": "12:30:45", "day": "2026-03-05"}),
        ("{yes: 1, on: 2, no: 3, 1998: x}", {"yes": 1, "on": 2, "no": 3, "1998": "x"}),
        (
            "[yes, on, No, ~, NULL, True, .inf, 0x1F, 1_000]",
            ["yes", "on", "No", "~", "NULL", "True", ".inf", "0x1F", "1_000"],
        ),
        (
            "[true, false, null, 1, -2, 1.5, 1e3, '1', \"true\"]",
            [True, False, None, 1, -2, 1.5, 1000.0, "1", "true"],
        ),
        ("[1e999, 123456789012345678901234567890]", ["1e999", "123456789012345678901234567890"]),
        ("a:\nb: ''", {"a": None, "b": ""}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
    ],
)
def test_plain_values_have_jsons_types(text, value):
    assert read_yaml(text).value == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1\na: 2", "repeated_key"),
        ("a: &x 1\nb: *x", "alias"),
        ("&a [*a]", "alias"),
        ("!!python/object/apply:os.system [id]", "tag"),
        ("a: !foo 1", "tag"),
        ("[" * 21 + "]" * 21, "too_deep"),
        ("a:\n\t- b", "not_yaml"),
        ('a: "\\0"', "control_character"),
        ('a: "\\ud800"', "control_character"),
        ('a: "\\UFFFFFFFF"', "not_yaml"),
        ("a: \x00", "not_yaml"),
        ("a: \ud800", "not_text"),
        ("", "empty"),
        ("# only a comment", "empty"),
        ("a: 1\n---\nb: 2", "several_documents"),
        ("%YAML 1.1\n---\na: 1", "not_yaml_12"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "not_yaml_12"),
        ("? [a, b]\n: 1", "not_a_key"),
        ("a: [1, 2", "not_yaml"),
        ("x" * 70_000, "too_long"),
        ("[" + "a," * 7_000 + "]", "too_long"),
    ],
)
def test_dangerous_or_broken_text_is_refused_with_a_sentence(text, code):
    with pytest.raises(MappingError) as error:
        read_yaml(text)

    (problem,) = error.value.problems
    assert problem.code == code
    assert problem.reason.endswith(".")


def test_a_problem_names_its_line():
    with pytest.raises(MappingError) as error:
        read_yaml("a: 1\nb:\n  c: 1\n  c: 2\n")

    assert (error.value.problems[0].path, error.value.problems[0].line) == ("b.c", 4)


def test_every_place_has_its_line():
    tree = read_yaml("a: 1\nb:\n  - x\n  - y: 2\n")

    assert [tree.line_at(("a",)), tree.line_at(("b", 1, "y")), tree.line_at(("b", 1, "zz"))] == [1, 4, 4]


def test_depth_is_refused_before_it_costs_time():
    started = time.process_time()

    with pytest.raises(MappingError):
        read_yaml("[" * 60_000)

    assert time.process_time() - started < 5


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet=st.sampled_from(list("abc:-?[]{}#&*!|>'\"%@` \n\t0.\\u~,<=")), max_size=60)
    | st.text(max_size=40)
)
def test_no_text_does_anything_but_being_read_or_refused(text):
    try:
        read_yaml(text)
    except MappingError as error:
        assert error.problems
