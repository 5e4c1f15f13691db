import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contacts.spelling import is_worse_spelling

letters = st.text(st.sampled_from("aAáÁnNñÑøØéE -'"), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("ANA", "Ana"),
        ("ana", "Ana"),
        ("Lopez", "López"),
        ("LÓPEZ", "Lopez"),
        ("LOPEZ", "López"),
        ("Lo\u0301pez".upper(), "López"),
        ("SØREN", "Søren"),
        ("Soren", "Søren"),
        ("a", "A"),
        ("MCDONALD", "McDonald"),
        ("ana maría o'neil", "Ana María O'Neil"),
        ("STRASSE", "Straße"),
        ("Петр", "Пётр"),
    ],
)
def test_capitals_small_letters_and_lost_accents_are_worse(new: str, old: str) -> None:
    assert is_worse_spelling(new, old)
    assert not is_worse_spelling(old, new)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("McDonald", "Mcdonald"),
        ("Mcdonald", "McDonald"),
        ("López", "Lopez"),
        ("Ana", "ANA"),
        ("ANNA", "Ana"),
        ("ANA", "ana"),
        ("ana", "ANA"),
        ("Ana", "Ana"),
        ("李", "Li"),
        ("क", "कु"),
        ("Lopez Diaz", "López"),
        (1998, "Ana"),
        (["ANA"], ["Ana"]),
    ],
)
def test_other_names_and_equal_spellings_are_not_worse(new: object, old: object) -> None:
    assert not is_worse_spelling(new, old)


@given(letters, letters)
def test_of_two_spellings_at_most_one_is_worse(a: str, b: str) -> None:
    assert not (is_worse_spelling(a, b) and is_worse_spelling(b, a))


@given(letters, letters, letters)
def test_worse_than_worse_is_worse(a: str, b: str, c: str) -> None:
    if is_worse_spelling(a, b) and is_worse_spelling(b, c):
        assert is_worse_spelling(a, c)


@given(letters)
def test_a_name_is_no_worse_in_another_form_of_unicode(name: str) -> None:
    assert not is_worse_spelling(unicodedata.normalize("NFD", name), unicodedata.normalize("NFC", name))
