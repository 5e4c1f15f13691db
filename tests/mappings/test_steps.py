"""Every step does what its examples say, and the page about the language names it."""

from importlib.resources import files

import pytest

from mappings.language.calls import parse_calls
from mappings.language.chain import build_chain
from mappings.language.event import EventInfo
from mappings.language.paths import Scope, is_blank
from mappings.language.problems import Refused
from mappings.language.steps.declare import WIDER, Example, Step, fits
from mappings.language.steps.registry import STEPS

EXAMPLES = [
    pytest.param(step, example, id=f"{step.name}-{number}")
    for step in STEPS.values()
    for number, example in enumerate(step.examples)
]


def run_alone(step: Step, example: Example):
    flaws = []
    calls = parse_calls([step.name if example.argument is None else {step.name: example.argument}], flaws)
    assert flaws == []
    chain = build_chain(calls)
    return None if is_blank(example.given) else chain.run(example.given, Scope({}, {}, EventInfo()))


@pytest.mark.parametrize(("step", "example"), EXAMPLES)
def test_a_step_does_what_its_example_says(step: Step, example: Example):
    if example.refused:
        with pytest.raises(Refused) as refused:
            run_alone(step, example)
        assert refused.value.code == example.refused
        assert refused.value.reason.endswith(".")
        return

    found = run_alone(step, example)

    assert (found, type(found)) == (example.gives, type(example.gives))


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_a_step_is_declared_in_full(step: Step):
    assert step.doc.endswith(".")
    assert "\n" not in step.doc
    assert len(step.examples) >= 3
    assert bool(step.argument) == (step.prepare is not None or step.name == "each")
    assert {step.takes, step.gives} <= {*WIDER, "any"}


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_the_page_about_the_language_describes_every_step(step: Step):
    page = files("mappings").joinpath("README.md").read_text(encoding="utf-8")

    assert f"| `{step.name}` | {step.takes} → {step.gives} | {step.doc} |" in page


def test_there_are_at_least_25_steps():
    assert len(STEPS) >= 25


@pytest.mark.parametrize(
    ("given", "wanted", "fit"),
    [
        ("year", "number", "yes"),
        ("any", "text", "cast"),
        ("integer", "text", "no"),
        ("text", "list", "no"),
        ("email", "text", "yes"),
        ("scalar", "year", "cast"),
    ],
)
def test_a_narrow_type_fits_into_a_wide_one_and_a_wide_one_is_checked(given, wanted, fit):
    assert fits(given, wanted) == fit


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"cut": 0}, "bad_argument"),
        ({"cut": True}, "bad_argument"),
        ({"trim": 3}, "bad_argument"),
        ({"replace": {"pattern": "["}}, "bad_argument"),
        ({"replace": {"pattern": "a" * 201}}, "bad_argument"),
        ({"replace": {"patern": "a"}}, "bad_argument"),
        ({"phone": "XX"}, "bad_argument"),
        ({"date": "DD"}, "bad_argument"),
        ({"date": "%d"}, "bad_argument"),
        ({"datetime": {"zone": "Mars/Base"}}, "bad_argument"),
        ({"lookup": {"table": {}}}, "bad_argument"),
        ({"lookup": {"table": {"a": ["b"]}}}, "bad_argument"),
        ({"one_of": []}, "bad_argument"),
        ({"epoch": "hours"}, "bad_argument"),
        ("each", "bad_argument"),
        ("trimm", "unknown_step"),
        ({"a": 1, "b": 2}, "not_a_step"),
        (7, "not_a_step"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_mapping_is_saved(call, code):
    flaws = []

    parse_calls([call], flaws)

    assert [refused.code for _, refused in flaws] == [code]


def test_a_class_year_never_reads_a_whole_sentence():
    example = Example("I think it was 1998 or so, but do ask my brother", refused="not_a_year")

    with pytest.raises(Refused):
        run_alone(STEPS["class_year"], example)


@pytest.mark.parametrize(
    ("given", "gives"),
    [
        ("STRASSE@Example.ORG", "STRASSE@example.org"),
        ("a.n.n.a@gmail.com", "a.n.n.a@gmail.com"),
        ("\ufeffanna@example.org", "anna@example.org"),
        ("anna@xn--e1afmkfd.xn--p1ai", "anna@xn--e1afmkfd.xn--p1ai"),
        ("anna@пример.рф", "anna@пример.рф"),
        ("ana@host.test", "ana@host.test"),
        ("ana@host.example", "ana@host.example"),
    ],
)
def test_an_address_keeps_the_persons_spelling(given, gives):
    assert STEPS["email"].run(given) == gives


@pytest.mark.parametrize(
    "given",
    [
        "a@b.example\r\nBcc: x@b.example",
        "a@b.example, c@b.example",
        "a@b.local",
        "a@b.invalid",
        "a@b",
        "a b@c.example",
        "x" * 65 + "@b.example",
        "A <a@b.example>",
        "a@b.example" + " " * 500,
    ],
)
def test_what_is_no_single_address_is_refused(given):
    with pytest.raises(Refused) as refused:
        STEPS["email"].run(given)

    assert refused.value.code == "not_an_email"


def test_the_caches_of_addresses_and_numbers_are_bounded():
    from mappings.language.steps import contact

    assert contact._read_email.cache_info().maxsize == contact._read_phone.cache_info().maxsize == 16_384
