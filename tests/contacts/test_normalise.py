import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contacts.normalise import match_value


@pytest.mark.parametrize(
    ("given_value", "value"),
    [
        (" Ana.Lopez@Example.COM ", "ana.lopez@example.com"),
        ("a.n.a+news@gmail.com", "ana@gmail.com"),
        ("Ana@GoogleMail.com", "ana@gmail.com"),
        ("a.n.a+news@example.org", "a.n.a+news@example.org"),
        ("ana@b\u00fccher.example", "ana@xn--bcher-kva.example"),
        ("ana@xn--bcher-kva.example", "ana@xn--bcher-kva.example"),
        ("\ufeffana@example.org", "ana@example.org"),
        ("e\u0301va@example.org", "\u00e9va@example.org"),
        ("ana@example.org.", "ana@example.org"),
        ("ana@example.org\uff0e", "ana@example.org"),
    ],
)
def test_spellings_of_one_address_match(given_value: str, value: str) -> None:
    matched = match_value("email", given_value)

    assert (value, True) == (matched.value, matched.is_matching)


@pytest.mark.parametrize(
    ("kind", "given_value", "reason"),
    [
        ("email", "info@example.org", "role"),
        ("email", "No-Reply@example.org", "role"),
        ("email", "test+1@example.org", "role"),
        ("email", "none@none.example", "sentinel"),
        ("email", "N/A", "sentinel"),
        ("email", "", "sentinel"),
        ("email", "0000-00", "sentinel"),
        ("email", "ana", "unreadable"),
        ("email", "ana@b@example.org", "unreadable"),
        ("email", "ana b@example.org", "unreadable"),
        ("email", "ana@exa mple.org", "unreadable"),
        ("email", "x@example.org\r\nBcc: y@example.org", "unreadable"),
        ("phone", "+1111111111", "sentinel"),
        ("phone", "00000", "sentinel"),
        ("phone", "ask me", "unreadable"),
        ("phone", "020 8765 4321", "no_country"),
        ("phone", "+12345", "unreadable"),
        ("meta_psid", "null", "sentinel"),
        ("meta_psid", "-1", "sentinel"),
        ("user_id", "anonymous", "sentinel"),
    ],
)
def test_values_of_nobody_find_nobody(kind: str, given_value: str, reason: str) -> None:
    matched = match_value(kind, given_value)

    assert (False, reason) == (matched.is_matching, matched.reason)


@pytest.mark.parametrize("given_value", ["+44 20 8765 4321", "0044 (20) 8765-4321", "+442087654321"])
def test_spellings_of_one_number_match(given_value: str) -> None:
    assert "+442087654321" == match_value("phone", given_value).value


def test_platform_ids_match_exactly() -> None:
    assert match_value("user_id", "AbC").value != match_value("user_id", "abc").value


@given(st.sampled_from(["email", "phone", "user_id"]), st.text())
def test_matching_forms_are_stable_and_nothing_raises(kind: str, value: str) -> None:
    once = match_value(kind, value)

    assert once.value == match_value(kind, once.value).value


@pytest.mark.shared
@pytest.mark.parametrize(
    ("family", "kind"),
    [("email", "email"), ("email-identity", "email"), ("phone", "phone"), ("blns", "email")],
)
def test_hostile_values_have_a_matching_form(shared: Path, family: str, kind: str) -> None:
    lines = (shared / "corpora" / f"{family}.jsonl").read_text("utf-8").splitlines()
    texts = [found["text"] for line in lines if "text" in (found := json.loads(line))]

    matched = [match_value(kind, text) for text in texts]

    assert len(texts) > 10
    assert all(one.value == match_value(kind, one.value).value for one in matched)
