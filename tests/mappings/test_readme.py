"""The page about the language tells the truth: each YAML example in it runs."""

import re
from importlib.resources import files

import pytest

from mappings.language.checks import ADVICE_CODES, lint

PAGE = files("mappings").joinpath("README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
HEAD = "mapping: example\nversion: 1\ntarget: contact\n"


def test_there_are_examples():
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_runs_and_passes_its_tests(example):
    text = example if example.startswith("mapping:") else HEAD + example

    assert [problem for problem in lint(text) if problem.code not in ADVICE_CODES - {"no_tests"}] == []
