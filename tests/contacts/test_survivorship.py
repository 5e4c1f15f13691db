from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contacts.survivorship import StatedPatch, derive, is_blank

DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Rules:
    """A dictionary whose fields are named after their rule."""

    def find(self, name: str) -> Any:
        return None if name == "unknown" else SimpleNamespace(survivorship=name)


def _patch(
    number: int, day: int, trust: int = 50, *, is_edit: bool = False, tags=((), ()), **fields: Any
) -> StatedPatch:
    at = DAY + timedelta(days=day)
    event_id = None if is_edit else number
    return StatedPatch(number, event_id, 0, 1, 100 if is_edit else trust, at, at, fields, *tags)


names = st.sampled_from(["most_recent", "most_trusted", "longest", "never_blank", "unknown"])
values = st.one_of(st.none(), st.sampled_from(["", " ", "a", "bb", "ccc"]), st.integers(0, 3), st.just([]))
tags = st.tuples(
    st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
    st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
)
patches = st.lists(
    st.builds(
        lambda number, day, trust, is_edit, tags, fields: _patch(number, day, trust, is_edit=is_edit, tags=tags, **fields),
        st.integers(1, 20), st.integers(0, 3), st.sampled_from([30, 50, 80]), st.booleans(), tags,
        st.dictionaries(names, values),
    ),
    max_size=6,
    unique_by=lambda patch: patch.id,
)  # fmt: skip


@given(patches, st.randoms(use_true_random=False))
def test_any_order_of_patches_gives_the_same_contact(history: list[StatedPatch], mixer) -> None:
    shuffled = list(history)
    mixer.shuffle(shuffled)

    assert derive(history, Rules()) == derive(shuffled, Rules())


@given(patches)
def test_every_value_was_stated_by_the_patch_it_is_credited_to(history: list[StatedPatch]) -> None:
    derived = derive(history, Rules())

    by_id = {patch.id: patch for patch in history}
    assert derived.fields == {
        name: by_id[origin["patch_id"]].fields[name] for name, origin in derived.provenance.items()
    }
    assert not any(is_blank(value) for value in derived.fields.values())


@pytest.mark.parametrize(
    ("rule", "winner"),
    [
        ("most_recent", "z"),
        ("most_trusted", "yy"),
        ("longest", "xxx"),
        ("never_blank", "yy"),
        ("unknown", "z"),
    ],
)
def test_each_rule_picks_its_winner(rule: str, winner: str) -> None:
    history = [
        _patch(1, 0, 50, **{rule: "xxx"}),
        _patch(2, 1, 80, **{rule: "yy"}),
        _patch(3, 2, 50, **{rule: "z"}),
        _patch(4, 3, 90, **{rule: ""}),
    ]

    assert {rule: winner} == derive(history, Rules()).fields


@pytest.mark.parametrize("rule", ["most_recent", "most_trusted", "longest", "never_blank"])
def test_an_admins_edit_outranks_every_rule(rule: str) -> None:
    history = [_patch(1, 0, is_edit=True, **{rule: "x"}), _patch(2, 9, 99, **{rule: "longer"})]

    assert {rule: "x"} == derive(history, Rules()).fields


def test_the_first_known_value_stays_until_a_more_trusted_source_speaks() -> None:
    history = [_patch(1, 0, never_blank="Lenz"), _patch(2, 1, never_blank="Moor")]

    assert {"never_blank": "Lenz"} == derive(history, Rules()).fields
    assert {"never_blank": "Berg"} == derive([*history, _patch(3, 2, 80, never_blank="Berg")], Rules()).fields


def test_tags_follow_the_last_word_on_each() -> None:
    history = [
        _patch(1, 0, tags=(("a", "b"), ())),
        _patch(2, 1, tags=(("c",), ("a",))),
        _patch(3, 2, tags=((), ("c",))),
    ]

    assert ["b"] == derive(history, Rules()).tags


def test_false_and_zero_say_something() -> None:
    assert {"most_recent": 0, "unknown": False} == derive(
        [_patch(1, 0, most_recent=0, unknown=False)], Rules()
    ).fields
