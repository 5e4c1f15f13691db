"""The live objects of one process: settings, database, key. Made once at its edge and passed on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.core.config import Settings
from app.core.db import make_engine, make_sessions, transaction
from app.core.queue import make_redis
from app.core.secretbox import SecretBox, open_box


@dataclass
class Runtime:
    """Each part is opened when it is first used, so after a fork, never before."""

    settings: Settings
    pool_size: int = 2

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.settings.postgres_url, pool_size=self.pool_size)

    @cached_property
    def sessions(self) -> sessionmaker[Session]:
        return make_sessions(self.engine)

    @cached_property
    def box(self) -> SecretBox:
        return open_box(self.settings)

    @cached_property
    def redis(self) -> Redis:
        """Redis for bells: a call that takes longer than this is a bell that nobody hears."""
        return make_redis(self.settings.valkey_url, timeout_seconds=0.5)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One unit of work: commit at the end, roll back on any error."""
        with transaction(self.sessions) as session:
            yield session


class _Holder:
    """RQ calls a job with nothing but JSON, so a worker process keeps its one runtime here."""

    runtime: Runtime | None = None


def keep_runtime(runtime: Runtime) -> None:
    """Make `runtime` the one of this process."""
    _Holder.runtime = runtime


def get_runtime() -> Runtime:
    """The runtime of this process; RuntimeError outside a worker."""
    if _Holder.runtime is None:
        raise RuntimeError("No runtime: jobs run in `muster worker` and `muster sweep` only.")
    return _Holder.runtime
