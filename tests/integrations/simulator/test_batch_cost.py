"""What a batch of 500 costs the simulator, beside reading and writing the same JSON: measured as `make bench` does."""

import pytest

from bench.simulator_process import measure_process

LATENCY_MS = 20
MOST_TIMES = 4.0  # of the JSON alone; 1.5 on a quiet machine (2026-11)


def test_a_batch_costs_little_more_than_its_json() -> None:
    found = measure_process(members=500, rounds=5, state_file=None, latency_ms=LATENCY_MS)

    kinds = [found[kind] for kind in ("create", "update", "unchanged")]
    assert [] == [one for one in kinds if not 0 < one["cpu_ratio_to_baseline"] <= MOST_TIMES]
    assert [] == [one for one in kinds if one["wall_ms_beyond_latency"] <= 0]
    ratios = [one["cpu_ms"] / one["baseline_cpu_ms"] for one in kinds]
    assert ratios == pytest.approx([one["cpu_ratio_to_baseline"] for one in kinds], rel=0.05)
