"""What the console's pages share: the runtime of this process and one database session a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from app.core.runtime import Runtime

EXTENSION = "muster"


@dataclass(frozen=True)
class Wiring:
    """The live objects of one web process."""

    runtime: Runtime
    session: scoped_session[Session]  # one a request; removed when the request ends


def wire(app: Flask, runtime: Runtime) -> Wiring:
    """Keep the live objects on the app and close each request's session at its end. Nothing connects yet."""
    # Opened late, so that a forked process has connections of its own; any callable will do, whatever the stubs say.
    late = cast("sessionmaker[Session]", lambda: runtime.sessions())  # noqa: PLW0108 - that would open it now
    wiring = Wiring(runtime, scoped_session(late))
    app.extensions[EXTENSION] = wiring

    @app.teardown_appcontext
    def _close_session(_error: BaseException | None) -> None:
        wiring.session.remove()

    return wiring


def wiring() -> Wiring:
    """The live objects of the app that answers this request."""
    found: Wiring = current_app.extensions[EXTENSION]
    return found


def reading() -> Session:
    """The session of this request, for reading."""
    return wiring().session()


@contextmanager
def writing() -> Iterator[Session]:
    """The session of this request as one unit of work: commit at the end, roll back on any error."""
    session = wiring().session()
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
