"""What every job shares: one outermost catch, and the connections of this process."""

import functools
from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec

from redis import RedisError

from app.audiences.connect import Connections
from app.core.bell import answer_bell, ring_now
from app.core.log import get_log
from app.core.runtime import Runtime, get_runtime

Words = ParamSpec("Words")

log = get_log(__name__)


def job(bell: str) -> Callable[[Callable[Words, None]], Callable[Words, None]]:
    """Make a function a job: it answers its bell first, and a failure is logged by its kind alone.

    The traceback would stay in Redis with whatever a person wrote; leases bring the work back by themselves.
    """

    def decorate(function: Callable[Words, None]) -> Callable[Words, None]:
        @functools.wraps(function)
        def run(*args: Words.args, **kwargs: Words.kwargs) -> None:
            answer(get_runtime(), bell, *(int(str(one)) for one in args))
            try:
                function(*args, **kwargs)
            except Exception as error:  # the outermost loop of a job
                log.exception("job.failed", job=function.__name__, ids=list(args), error=type(error).__name__)

        return run

    return decorate


def answer(runtime: Runtime, name: str, *ids: int) -> None:
    """Silence the bell before looking, so that what arrives from now on rings again."""
    try:
        answer_bell(runtime.redis, name, *ids)
    except (RedisError, OSError) as error:
        log.warning("bell.unanswered", bell=name, error=type(error).__name__)


def ring(runtime: Runtime, name: str, *ids: int) -> None:
    """Ring for the next job; without Redis the sweep finds the work."""
    try:
        ring_now(runtime.redis, name, *ids)
    except (RedisError, OSError) as error:
        log.warning("bell.failed", bell=name, error=type(error).__name__)


def get_connections() -> Connections:
    """The connections to destinations of this process."""
    runtime = get_runtime()
    return _open_connections(runtime.box, runtime.settings.valkey_url)


_open_connections = lru_cache(maxsize=4)(Connections)
