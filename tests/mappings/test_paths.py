"""Paths find what stands in the content, and never fail on what does not."""

from datetime import UTC, datetime

import pytest

from mappings.language.event import EventInfo
from mappings.language.paths import Scope, compile_first_present, compile_path, parse_path
from mappings.language.problems import Refused

CONTENT = {
    "email": "a@b.example",
    "CL YR": "1998",
    "odd.key": 1,
    "a": {"b": [{"c": 1}, {"c": 2}, {"d": 3}], "e": {"x": 5, "y": 6}},
    "blank": " ",
    "nested": [{"n": [{"v": 1}, {"v": 2}]}, {"n": [{"v": 3}]}],
    'quo"te': 9,
}
EVENT = EventInfo(
    key="k", kind="lead", occurred_at=datetime(2026, 3, 5, 10, tzinfo=UTC), account="page-1", source="site"
)


def find(text):
    return compile_path(parse_path(text))(Scope(CONTENT, {"top": 1}, EVENT))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("email", "a@b.example"), ("CL YR", "1998"), ('"odd.key"', 1), ('["odd.key"]', 1), (r'"quo\"te"', 9),
        ("a.b[0].c", 1), ("a.b[-1].d", 3), ("a.b[9].c", None), ("a.b[*].c", [1, 2]), ("a.e[*]", [5, 6]),
        ("nested[*].n[*].v", [1, 2, 3]), ("a.zz.c", None), ("email.x", None), ("email[0]", None), ("a[0]", None), ("a.b.c", None),
        ("$event.kind", "lead"), ("$event.occurred_at", "2026-03-05T10:00:00Z"), ("$event.received_at", None), ("$root.top", 1),
        ("blank[*]", None),
    ],
)  # fmt: skip
def test_a_path_finds_its_value_or_nothing(path, value):
    assert find(path) == value


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "a..b",
        ".a",
        "a.",
        "a[",
        "a[x]",
        "a[1.5]",
        "a[*].b[*].c[*]",
        "$event",
        "$event.secret",
        "$env.HOME",
        "a" * 301,
        ".".join("a" * 21),
        "a]b",
        'a"b"',
    ],
)
def test_a_broken_path_is_refused(path):
    with pytest.raises(Refused) as refused:
        parse_path(path)

    assert refused.value.code == "bad_path"


def test_the_first_path_with_a_value_that_is_not_blank_wins():
    read = compile_first_present(tuple(parse_path(text) for text in ("nothing", "blank", "email", "a")))

    assert read(Scope(CONTENT, CONTENT, EVENT)) == "a@b.example"
