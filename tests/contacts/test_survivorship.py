from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contacts.spelling import is_worse_spelling
from app.contacts.survivorship import StatedPatch, derive, is_blank
from mappings.language.fields import default_fields

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


@pytest.mark.parametrize(
    ("before", "after", "stands"),
    [
        ("Ana", "ANA", "Ana"),
        ("López", "Lopez", "López"),
        ("Lopez", "López", "López"),
        ("LOPEZ", "Lopez", "Lopez"),
        ("Mcdonald", "McDonald", "McDonald"),
        ("López", "LOPES", "LOPES"),
    ],
)
def test_a_name_keeps_its_better_spelling(before: str, after: str, stands: str) -> None:
    history = [_patch(1, 0, last_name=before), _patch(2, 1, last_name=after)]

    derived = derive(history, default_fields())

    assert {"last_name": stands} == derived.fields
    assert 2 == derived.provenance["last_name"]["patch_id"]


def test_who_repeats_a_name_in_capitals_is_trusted_with_it_all_the_same() -> None:
    history = [
        _patch(1, 0, 50, last_name="López"),
        _patch(2, 1, 80, last_name="LOPEZ"),
        _patch(3, 2, 60, last_name="Smith"),
    ]

    assert {"last_name": "López"} == derive(history, default_fields()).fields


def test_what_is_no_name_is_taken_as_it_is_written() -> None:
    history = [_patch(1, 0, city="Köln"), _patch(2, 1, city="KOLN")]

    assert {"city": "KOLN"} == derive(history, default_fields()).fields


def test_a_spelling_chosen_by_an_admin_or_at_mailchimp_stands() -> None:
    form = _patch(1, 0, first_name="Ana")
    edit = _patch(2, 1, is_edit=True, first_name="ANA")
    taken = replace(edit, trust=50)

    assert [{"first_name": "ANA"}] * 2 == [
        derive([form, one], default_fields()).fields for one in (edit, taken)
    ]


spellings = st.lists(
    st.builds(
        lambda number, day, trust, name: _patch(number, day, trust, first_name=name),
        st.integers(1, 20), st.integers(0, 3), st.sampled_from([30, 50, 80]),
        st.sampled_from(["José", "JOSÉ", "Jose", "JOSE", "jose", "Joseph", "JOSEPH"]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda patch: patch.id,
)  # fmt: skip


@given(spellings, st.randoms(use_true_random=False))
def test_any_order_of_spellings_gives_the_same_name(history: list[StatedPatch], mixer) -> None:
    shuffled = list(history)
    mixer.shuffle(shuffled)

    assert derive(history, default_fields()) == derive(shuffled, default_fields())


@given(spellings)
def test_no_later_patch_makes_a_name_worse(history: list[StatedPatch]) -> None:
    in_order = sorted(history, key=lambda patch: patch.moment)
    names = [
        derive(in_order[: number + 1], default_fields()).fields["first_name"]
        for number in range(len(in_order))
    ]

    assert not any(is_worse_spelling(after, before) for before, after in pairwise(names))
    assert set(names) <= {patch.fields["first_name"] for patch in history}
