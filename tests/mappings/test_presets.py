"""The presets hold their own tests, and know the headers and bodies that platforms send."""

import csv

import pytest

from integrations.kit.registry import list_integrations
from mappings.language.checks import lint, run_tests
from mappings.language.compile import EventInfo, compile_mapping
from mappings.language.document import load_document
from mappings.language.presets import find_preset, list_presets

LISTS = ["plain_sheet", "raisers_edge"]
NAMES = sorted([*list_integrations(), *LISTS])


def apply(name, content, **event):
    return compile_mapping(load_document(find_preset(name).text)).apply(content, EventInfo(**event))


def test_there_is_a_preset_for_every_integration_and_for_lists():
    assert [preset.name for preset in list_presets()] == NAMES
    assert [preset.name for preset in list_presets() if preset.source == "list"] == LISTS


def test_a_preset_that_is_not_there_is_not_found():
    assert find_preset("nobody") is None


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_without_fault(name):
    assert lint(find_preset(name).text) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_brings_its_own_tests_and_passes_them(name):
    outcomes = run_tests(compile_mapping(load_document(find_preset(name).text)))

    assert len(outcomes) >= 5
    assert [outcome for outcome in outcomes if not outcome.is_passed] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content",
    [
        {},
        {
            "email": "a@b.example",
            "Email": "a@b.example",
            "type": "profile",
            "data": {"email": "a@b.example"},
            "fields": {"email": "a@b.example"},
            "ID": "1",
        },
    ],
)
def test_no_preset_makes_consent_out_of_nothing(name, content):
    assert [patch.consents for patch in apply(name, content).patches] in ([], [()])


@pytest.mark.parametrize(
    "code",
    ["Do Not Email", "DO NOT E-MAIL", "no email", "No E-Mail", "Do not contact", "Do-Not-Email; No Phone"],
)
@pytest.mark.parametrize("column", ["Solicit Code", "Solicit Code_1", "Solicit Code_2"])
def test_a_solicit_code_that_forbids_email_withdraws_it(code, column):
    patch = apply("raisers_edge", {"ID": "1", "Email": "a@b.example", column: code}).patches[0]

    assert [(evidence.verdict, evidence.method) for evidence in patch.consents] == [
        ("withdrawn", "solicit_code")
    ]


@pytest.mark.shared
def test_the_raisers_edge_preset_reads_only_headers_that_a_real_export_has(shared):
    with (shared / "payloads/raisers_edge/alumni-event-export-headers.csv").open(
        encoding="utf-8-sig", newline=""
    ) as file:
        headers = set(next(csv.reader(file)))
    compiled = compile_mapping(load_document(find_preset("raisers_edge").text))

    assert set(compiled.inputs) - headers == {"E-mail", "Preferred Email"}
    assert not any(path.startswith("SP ") or "Gift" in path for path in compiled.inputs)


def test_a_spouses_columns_never_reach_the_contact():
    row = {
        "ID": "1",
        "First Name": "Anna",
        "SP ID": "2",
        "SP Name": "Bob",
        "SP Maiden Name": "X",
        "SP CL YR": "1999",
    }

    assert apply("raisers_edge", row).patches[0].fields == {"external_id": "1", "first_name": "Anna"}
