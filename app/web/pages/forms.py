"""What the forms of the console share: a refusal told in words at its form, and calls on behalf of a page."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import flash, redirect
from flask.typing import ResponseReturnValue
from redis import RedisError

from app.audiences.call_errors import tell_failed
from app.audiences.connect import Connections
from app.core.bell import ring_now
from app.core.errors import ConflictError, InvalidError, MusterError, NotFoundError
from app.core.log import get_log
from app.web.wiring import reading, wiring
from integrations.mailchimp.problems import MailchimpProblem

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form was not taken. `place` is the form, `typed` what stood in it, so that nobody types it again."""

    place: str
    message: str
    hint: str = ""
    status: int = 422
    typed: Mapping[str, str] = field(default_factory=dict)


Show = Callable[[Refusal], str]


def refuse(place: str, error: MusterError | MailchimpProblem, typed: Mapping[str, str]) -> Refusal:
    """An error as it is shown at its form."""
    if isinstance(error, MailchimpProblem):
        error = tell_failed(error, "Mailchimp refused it", "nothing was changed")
    status = 409 if isinstance(error, ConflictError) else 422
    return Refusal(place, error.message, error.hint, status, typed)


def do(
    place: str, work: Callable[[], str], show: Show, back: str, typed: Mapping[str, str] | None = None
) -> ResponseReturnValue:
    """Do what a form asks; then to `back` with the sentence that `work` answers, or the page again with the refusal."""
    try:
        said = work()
    except NotFoundError:
        raise
    except (MusterError, MailchimpProblem) as error:
        refused = refuse(place, error, typed or {})
        reading().expire_all()  # `work` may have written by sessions of its own
        return show(refused), refused.status
    flash(said)
    return redirect(back)


@contextmanager
def calling() -> Iterator[Connections]:
    """Connections to Mailchimp for one request."""
    live = wiring().runtime
    connections = Connections(live.box, live.settings.valkey_url)
    try:
        yield connections
    finally:
        connections.close()


def ring(name: str, *ids: int) -> None:
    """Ring for a worker; without Redis the sweep finds what is due."""
    try:
        ring_now(wiring().runtime.redis, name, *ids)
    except (RedisError, OSError) as error:
        log.warning("bell.failed", bell=name, error=type(error).__name__)


def ask_worker(name: str, *ids: int) -> None:
    """Ring for work that nothing but this bell starts. InvalidError where nobody can hear it."""
    try:
        ring_now(wiring().runtime.redis, name, *ids)
    except (RedisError, OSError) as error:
        raise InvalidError(
            "The queue does not answer, so no worker heard of it.", "Try again in a moment."
        ) from error
