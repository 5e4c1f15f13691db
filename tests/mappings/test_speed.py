"""A large document is compiled quickly, and hostile patterns cost nothing."""

import importlib.util
import time
from pathlib import Path

import pytest

from mappings.language.compile import compile_mapping
from mappings.language.document import load_document
from mappings.language.problems import Refused
from mappings.language.steps.registry import STEPS

RULES = "".join(
    f"  - {{to: message, from: [a.b{row}, c{row}], do: [trim, {{cut: 40}}]}}\n" for row in range(200)
)


def quickest(run, tries=5):
    spent = []
    for _ in range(tries):
        started = time.process_time()
        run()
        spent.append(time.process_time() - started)
    return min(spent)


def test_two_hundred_rules_are_compiled_within_200_milliseconds():
    document = load_document(f"mapping: big\nversion: 1\ntarget: contact\nfields:\n{RULES}")

    assert quickest(lambda: compile_mapping(document)) < 0.2


@pytest.mark.parametrize(
    "pattern",
    ["^(a+)+$", "(a{1,30}){1,30}", "(.*)*x", "(a|a)*b", "(a|aa)+$", ".*.*.*.*=.*", "((a*)*)*b", "a{1,900}"],
)
def test_a_hostile_pattern_is_refused_or_matches_within_50_milliseconds(pattern):
    step = STEPS["replace"]
    try:
        prepared = step.prepare({"pattern": pattern})
    except Refused:
        return

    assert quickest(lambda: step.run("a" * 999 + "!", prepared), tries=3) < 0.05


def test_the_benchmark_compares_equal_results():
    path = Path(__file__).parent.parent.parent / "bench" / "map.py"
    spec = importlib.util.spec_from_file_location("bench_map", path)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    contents = bench.events(60)

    assert [bench.make_muster()(content) for content in contents] == [
        bench.make_baseline()(content) for content in contents
    ]
