"""Questions of form builders as names that a mapping can read."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.addresses import is_hook_of
from integrations.kit.answers import Answers, is_address, simple_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Prénom *", "prenom"),
        ("What's your e-mail?", "what_s_your_e_mail"),
        ("  First   Name ", "first_name"),
        ("STRASSE / Straße", "strasse_strasse"),
        ("Łódź & Ærø", "lodz_aero"),
        ("İstanbul", "istanbul"),
        ("𝕊chool", "school"),
        ("Имя", "имя"),
        ("お名前", "お名前"),
        ("이름", "이름"),
        ("***", ""),
        ("", ""),
        ("a_b-c.d", "a_b_c_d"),
    ],
)
def test_a_label_becomes_a_name(label: str, name: str) -> None:
    assert name == simple_name(label)


@given(st.text(max_size=500))
def test_a_name_stays_what_it_is(label: str) -> None:
    name = simple_name(label)

    assert name == simple_name(name)
    assert len(name) <= 60
    assert not set(name) & set(" .[]\"'\n")


def test_the_same_question_twice_keeps_both_answers() -> None:
    answers = Answers()
    for label, value in (
        ("Email", "one@alumni.example"),
        ("E mail", "x"),
        ("email!", "two@alumni.example"),
        ("Email 2", "y"),
    ):
        answers.add(label, value)

    assert answers.content() == {
        "fields": {
            "email": "one@alumni.example",
            "e_mail": "x",
            "email_2": "two@alumni.example",
            "email_2_2": "y",
        },
        "found": {"email": "one@alumni.example"},
    }


def test_a_hundred_thousand_questions_of_one_name_are_read_in_time() -> None:
    answers = Answers()
    for number in range(2, 20_000):
        answers.add(f"a_{number}", "x")

    started = time.process_time()
    for _ in range(100_000):
        answers.add("a", "x")

    assert time.process_time() - started < 2.0
    assert len(answers.fields) == 100_000 + 20_000 - 2


def test_blank_answers_are_left_out_and_a_no_stays() -> None:
    answers = Answers()
    for label, value in (("a", ""), ("b", None), ("c", []), ("d", False), ("e", 0)):
        answers.add(label, value)

    assert {"d": False, "e": 0} == answers.fields


def test_consent_asked_twice_must_be_given_twice() -> None:
    answers = Answers()
    for is_given in (True, False, True):
        answers.add_consent(" I agree ", is_given)
    answers.add_consent("", is_given=True)

    assert {"I agree": False, "consent": True} == answers.consents


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("ana@alumni.example", True),
        (" ana@alumni.example ", True),
        ("ana@alumni", False),
        ("write to ana@alumni.example", False),
        ("a@b.example, c@d.example", False),
        (12, False),
        (None, False),
        ("@" * 5000, False),
        ("a@" + "b." * 4000, False),
    ],
)
def test_an_answer_that_is_an_address(value: object, is_one: bool) -> None:
    assert is_one == is_address(value)


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("https://muster.example/hooks/forms", True),
        ("https://muster.example/hooks/forms/", True),
        ("https://muster.example/hooks/forms/key", True),
        ("https://muster.example/crm/hooks/forms/key?x=1", True),
        ("https://muster.example/hooks/forms-2", False),
        ("https://muster.example/hooks/other/forms", False),
        ("https://muster.example/forms", False),
        ("https://[", False),
        (None, False),
        (7, False),
    ],
)
def test_a_webhook_of_ours_is_known_by_its_address(url: object, is_ours: bool) -> None:
    assert is_ours == is_hook_of(url, "forms")
