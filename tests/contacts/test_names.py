import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contacts.names import fold, name_of, names_conflict


def _name(text: str):
    first, _, last = text.partition("|")
    return name_of({"first_name": first, "last_name": last})


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Ana|López", "ANA|Lopez"),
        ("A.|Lopez", "Ana|Lopez"),
        ("Bob|Miller", "Robert|Miller"),
        ("Lopez|Ana", "Ana|Lopez"),
        ("Jon|Miller", "John|Miller"),
        ("Ana Maria|Lopez", "Ana|Lopez"),
        ("Dr. Ana|Lopez", "Ana|Lopez"),
        ("Ana|Lopez-Moor", "Ana|Moor"),
        ("Seán|O’Neil", "Sean|ONeil"),
        ("Анна|Иванова", "Anna|Ivanova"),
        ("|Lopez", "Ana|Lopez"),
        ("|", "Ana|Lopez"),
        ("Ana|", "Ana|Lopez"),
    ],
)
def test_names_of_one_person_do_not_conflict(a: str, b: str) -> None:
    assert not names_conflict(_name(a), _name(b))
    assert not names_conflict(_name(b), _name(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Anna|Berg", "Bruno|Berg"),
        ("Anna|Berg", "Anna|Keller"),
        ("|Berg", "Anna|Keller"),
        ("A.|Berg", "Bruno|Berg"),
    ],
)
def test_names_of_two_people_conflict(a: str, b: str) -> None:
    assert names_conflict(_name(a), _name(b))
    assert names_conflict(_name(b), _name(a))


@pytest.mark.parametrize("full_name", ["Ana López", "LOPEZ, Ana", "ana lopez", "Dr. Ana Lopez"])
def test_full_names_agree_with_their_parts(full_name: str) -> None:
    assert not names_conflict(name_of({"full_name": full_name}), _name("Ana|Lopez"))
    assert names_conflict(name_of({"full_name": full_name}), _name("Bruno|Keller"))


@given(st.text(), st.text(), st.text(), st.text())
def test_conflict_is_mutual_and_never_with_oneself(a: str, b: str, c: str, d: str) -> None:
    one, other = name_of({"first_name": a, "last_name": b}), name_of({"first_name": c, "last_name": d})

    assert names_conflict(one, other) == names_conflict(other, one)
    assert not names_conflict(one, one)


def test_folding_keeps_only_words() -> None:
    assert ("ana", "maria", "oneil") == fold("Ana-María O’Neil")
