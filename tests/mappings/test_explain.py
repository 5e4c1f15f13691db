"""Explaining shows how each rule comes to its result."""

from mappings.language.compile import EventInfo
from mappings.language.explain import explain, trace_line
from mappings.language.patch import Identity

RULES = """
fields:
  - {to: email, from: [mail, email], do: [trim, email], key: true}
  - {to: class_year, from: year}
  - {to: city, from: town, default: Bath}
tags: [{add: [website]}]
consent: [{channel: email, purpose: news, from: box}]
"""


def test_every_step_is_shown_with_the_value_after_it(compiled):
    first = explain(compiled(RULES), {"email": " Ana@Example.ORG "}, EventInfo())[0]

    assert (first.place, first.to, first.paths, first.found) == (
        "fields[0]",
        "email",
        ("mail", "email"),
        " Ana@Example.ORG ",
    )
    assert first.steps == (("trim", "Ana@Example.ORG"), ("email", "Ana@example.org"))
    assert (first.result, first.problem) == ("Ana@example.org", None)


def test_a_problem_is_shown_at_the_rule_that_has_it(compiled):
    traces = explain(compiled(RULES), {"email": "broken", "year": "soon", "box": "yes"}, EventInfo())

    assert [trace.problem.code if trace.problem else None for trace in traces] == [
        "not_an_email",
        "not_a_year",
        None,
        None,
        None,
    ]
    assert traces[0].steps[-1][1].startswith("refused: ")
    assert [trace.result for trace in traces[:3]] == [None, None, "Bath"]
    assert traces[3].result == ["website"]
    assert traces[4].result[0].verdict == "given"


def test_inside_each_the_first_entry_is_explained(compiled):
    traces = explain(
        compiled("each: people\nfields: [{to: email, from: email}]\nidentities: [{kind: x, from: id}]"),
        {"people": [{"email": "a@b.example", "id": 7}]},
        EventInfo(),
    )

    assert [trace.result for trace in traces] == ["a@b.example", [Identity("x", "7")]]


def test_nothing_is_explained_where_there_is_nothing(compiled):
    mapping = compiled("each: people\nfields: [{to: email, from: email}]")

    assert [explain(mapping, content, EventInfo()) for content in (None, {}, {"people": [7]})] == [[], [], []]


def test_a_trace_fits_on_a_line(compiled):
    trace = explain(compiled(RULES), {"email": "a@b.example", "year": "soon"}, EventInfo())[1]

    assert (
        trace_line(trace)
        == "class_year: soon → class_year: refused: This is not a class year.  ✗ This is not a class year."
    )
