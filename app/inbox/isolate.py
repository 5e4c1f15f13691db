"""Finding the one that breaks a batch: try together, then in halves, then alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

Piece = TypeVar("Piece")

# The database's trouble, not the batch's: nobody is to blame, everything is tried again later.
# COPY goes by psycopg itself, so its errors come unwrapped.
PASSING = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeoutError,
    ConnectionError,
)


def isolate(
    batch: Sequence[Piece],
    work: Callable[[Sequence[Piece]], None],
    give_up: Callable[[Piece, Exception], None],
) -> None:
    """Call `work` (one transaction) on the batch; where that fails, on its halves; `give_up` gets what fails alone.

    A passing failure (`PASSING`) is raised at once: the leases run out and the batch comes again.
    """
    if not batch:
        return
    try:
        work(batch)
    except PASSING:
        raise
    except Exception as error:  # noqa: BLE001 - the outermost loop of one event; it is kept with its reason
        if len(batch) == 1:
            give_up(batch[0], error)
            return
        middle = len(batch) // 2
        isolate(batch[:middle], work, give_up)
        isolate(batch[middle:], work, give_up)
