"""The cycle collector, kept from looking through thousands of objects again and again while they are worked on."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Objects made before the youngest are looked through, and how many such rounds before the older ones are.
CALM_THRESHOLDS = (50_000, 20, 20)

_lock = threading.Lock()
_depth = 0
_usual: tuple[int, int, int] = gc.get_threshold()


@contextmanager
def calm_collector() -> Iterator[None]:
    """For work that makes many objects and few cycles: a push of 20,000 spent a quarter of its time in the collector."""
    global _depth, _usual  # noqa: PLW0603 - the collector is the process's, and so is its setting
    with _lock:
        if _depth == 0:
            _usual = gc.get_threshold()
            gc.set_threshold(*CALM_THRESHOLDS)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                gc.set_threshold(*_usual)
