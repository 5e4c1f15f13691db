"""Real bad inputs: YAML, patterns, addresses, numbers, names and template code."""

import json
import time

import pytest

from mappings.language.compile import EventInfo, compile_mapping
from mappings.language.document import load_document
from mappings.language.problems import MappingError, Refused
from mappings.language.steps.registry import STEPS
from mappings.language.yaml_text import read_yaml

pytestmark = pytest.mark.shared
MAPPING = """
mapping: corpus
version: 1
target: contact
fields:
  - {to: external_id, default: "1"}
  - {to: full_name, from: text}
"""


@pytest.fixture
def lines(shared):
    def read(name):
        with (shared / "corpora" / f"{name}.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    return read


def verdict(step, text, *arguments):
    try:
        step.run(text, *arguments)
    except Refused:
        return "reject"
    return "accept"


def test_every_yaml_item_is_refused_or_read_as_text_within_a_moment(lines):
    for entry in lines("yaml"):
        started = time.process_time()
        try:
            value = read_yaml(entry["text"]).value
            is_refused = False
        except MappingError:
            is_refused = True
        assert time.process_time() - started < 0.05, entry["id"]
        assert is_refused is entry["expect"].startswith("reject"), entry["id"]
        if entry["expect"] == "strings":
            assert all(isinstance(inner, str) for inner in value.values()), entry["id"]
        with pytest.raises(MappingError):
            load_document(entry["text"])


def test_every_pattern_is_refused_or_matches_within_50_milliseconds(lines):
    for entry in lines("regex"):
        for name in ("replace", "extract"):
            step = STEPS[name]
            try:
                prepared = step.prepare(entry["text"] if name == "extract" else {"pattern": entry["text"]})
            except Refused:
                continue
            started = time.process_time()
            step.run(entry["input"][:1_000], prepared)
            assert time.process_time() - started < 0.05, entry["id"]


# Where Muster thinks otherwise than the list, and why.
OTHERWISE = {
    "no dot after the @": lambda text: (
        "." not in text.rpartition("@")[2]
    ),  # test@io: no mail is sent to a bare top-level domain
    "no such top-level domain": lambda text: text.rpartition(".")[2][:1] == "x" and text[-1:].isdigit(),
    "broken punycode": lambda text: "xn--" in text,
    ".test is for trying things out": lambda text: text.endswith(".test"),
    "a display name is not part of an address": lambda text: text.endswith(">"),
}


def test_addresses_are_judged_as_the_list_expects(lines):
    otherwise = [
        entry["text"]
        for entry in lines("email")
        if entry["expect"] in ("accept", "reject")
        and verdict(STEPS["email"], entry["text"]) != entry["expect"]
    ]

    assert [text for text in otherwise if not any(is_meant(text) for is_meant in OTHERWISE.values())] == []
    assert len(otherwise) < 10


def test_telephone_numbers_become_e164_or_are_refused(lines):
    for entry in lines("phone"):
        region = entry.get("region") if entry.get("region") in ("GB", "US", "NZ", "DE", "AU") else None
        try:
            number = STEPS["phone"].run(entry["text"], region)
        except Refused as refused:
            assert refused.code == "not_a_phone", entry["id"]
        else:
            assert number[0] == "+", entry["id"]
            assert 7 <= len(number) - 1 <= 15, entry["id"]
            assert number[1:].isdigit(), entry["id"]


@pytest.mark.parametrize("name", ["name", "ssti"])
def test_names_and_template_code_are_kept_as_they_are(lines, name):
    compiled = compile_mapping(load_document(MAPPING))
    for entry in lines(name):
        patch = compiled.apply({"text": entry["text"]}, EventInfo()).patches[0]
        assert patch.fields.get("full_name", "") == entry["text"].strip(), entry["id"]
