"""The leash: a child learns of its parent's death from the kernel, so that kill -9 leaves nothing behind."""

import ctypes
import os
import sys
from collections.abc import Callable
from signal import Signals

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Loaded here and not in the child: between fork and exec a child must not allocate or take locks.
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(number: Signals) -> Callable[[], None] | None:
    """For Popen's preexec_fn, which runs after the child took on its account (setuid would clear the setting).

    The kernel watches the *thread* that forked, so start children from a thread that lives as long as they should.
    None where the kernel has no such thing (macOS); the next start stops survivors there.
    """
    if LIBC is None:
        return None
    parent = os.getpid()
    signal_number = int(number)

    def set_death_signal() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call above
            os._exit(1)

    return set_death_signal
