"""The collector is calm while it is asked to be, and as it was afterwards."""

import gc

import pytest

from app.core.collector import CALM_THRESHOLDS, calm_collector


def test_the_collector_is_calm_until_the_last_one_is_done() -> None:
    usual = gc.get_threshold()

    with calm_collector():
        with calm_collector():
            inner = gc.get_threshold()
        outer = gc.get_threshold()

    assert (inner, outer, gc.get_threshold()) == (CALM_THRESHOLDS, CALM_THRESHOLDS, usual)


def test_a_failure_leaves_the_collector_as_it_was() -> None:
    usual = gc.get_threshold()

    with pytest.raises(ValueError, match="broken"), calm_collector():
        raise ValueError("broken")

    assert usual == gc.get_threshold()
