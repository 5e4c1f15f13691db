"""A row against the last snapshot."""

from datetime import UTC, datetime

import pytest

from app.lists.compare import Comparison, judge_row, patch_sha256, row_key
from mappings.language.patch import ConsentEvidence, ContactPatch, Identity, MappingResult, Problem

ANA = ContactPatch(identities=(Identity("email", "Ana@mail.example"),), fields={"first_name": "Ana"})


@pytest.mark.parametrize(
    ("identities", "key"),
    [
        (
            (Identity("email", "Ana@Mail.example"), Identity("external_id", "A-17", "re")),
            "external_id:re:a-17",
        ),
        ((Identity("phone", "+12025550143"), Identity("email", "a@b.example")), "email::a@b.example"),
        ((Identity("phone", "+12025550143"),), "phone::+12025550143"),
        ((), ""),
    ],
)
def test_a_row_is_known_by_the_institutions_id_then_the_address(identities, key):
    assert key == row_key(ContactPatch(identities=identities))


def test_the_time_of_a_run_changes_no_row():
    later = ContactPatch(
        identities=ANA.identities,
        fields=ANA.fields,
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )

    assert patch_sha256(ANA) == patch_sha256(later)


def test_consent_is_part_of_what_a_row_says():
    withdrawn = ContactPatch(
        identities=ANA.identities,
        fields=ANA.fields,
        consents=(ConsentEvidence("email", "newsletter", "withdrawn"),),
    )

    assert patch_sha256(ANA) != patch_sha256(withdrawn)


def test_a_second_row_of_the_same_person_has_a_key_of_its_own():
    comparison = Comparison()

    assert ["email::ana@mail.example", "email::ana@mail.example#2"] == [
        comparison.key_of(ANA),
        comparison.key_of(ANA),
    ]


@pytest.mark.parametrize(
    ("snapshot", "verdict"),
    [
        ({}, "joiner"),
        ({"email::ana@mail.example": patch_sha256(ANA)}, "unchanged"),
        ({"email::ana@mail.example": b"x"}, "changed"),
    ],
)
def test_a_row_joins_changes_or_stays(snapshot, verdict):
    assert verdict == judge_row(2, MappingResult(patches=(ANA,)), row_key(ANA), snapshot).verdict


def test_a_rejected_row_says_why():
    problem = Problem("email", "required", "no e-mail address")

    compared = judge_row(7, MappingResult(rejected=problem), "", {})

    assert ("invalid", problem, 7) == (compared.verdict, compared.problem, compared.line)


def test_a_row_that_points_at_nobody_is_invalid():
    compared = judge_row(2, MappingResult(patches=(ContactPatch(fields={"first_name": "Ana"}),)), "", {})

    assert ("invalid", "no_identity") == (compared.verdict, compared.problem.code)
