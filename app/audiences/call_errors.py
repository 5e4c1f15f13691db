"""How a call is told that somebody waits for, where Mailchimp did not do it: nothing tries that one again. Pure."""

from collections.abc import Mapping

from app.core.errors import BusyError, InvalidError, MusterError
from integrations.mailchimp.problems import (
    AUDIENCE_GONE,
    BAD_ANSWER,
    OUTAGE,
    THROTTLED,
    UNKNOWN_OUTCOME,
    MailchimpProblem,
)

# The sentences of these promise another try, or say nothing of what was asked: (what happened, next step).
UNANSWERED: Mapping[str, tuple[str, str]] = {
    OUTAGE.kind: ("did not answer properly", "Wait a minute, then try again."),
    UNKNOWN_OUTCOME.kind: (
        "could not be reached, or broke off its answer",
        "Check the network and any proxy in between, then try again.",
    ),
    THROTTLED.kind: ("asks for fewer requests at a time", "Wait a minute, then try again."),
    BAD_ANSWER.kind: (
        "is not what answered",
        "Check MAILCHIMP_BASE_URL and any proxy in between, then try again.",
    ),
}
UNREACHED = ("could not be reached", "Check the network and any proxy in between, then try again.")
NO_SUCH_AUDIENCE = "An audience's id stands in Mailchimp under Audience > Settings > Audience name and defaults, as Audience ID."
SHOWN_COUNT = 20


def is_unanswered(problem: MailchimpProblem) -> bool:
    """Whether it says nothing about what was asked: the same may go through later."""
    return problem.kind in UNANSWERED


def is_unreached(problem: MailchimpProblem) -> bool:
    """Whether Mailchimp surely never heard of it."""
    return problem.kind == OUTAGE.kind and problem.status is None


def tell_failed(problem: MailchimpProblem, refused: str, left: str = "nothing was stored") -> MusterError:
    """InvalidError with `refused` and Mailchimp's reason; BusyError where it said nothing about what was asked.

    `left` says what of the work is there then.
    """
    if not is_unanswered(problem):
        return InvalidError(f"{refused}: {problem}", problem.sentence)
    what, step = UNREACHED if is_unreached(problem) else UNANSWERED[problem.kind]
    where = str(problem).partition(": ")[2]
    return BusyError(f"Mailchimp {what} ({where}); {left}.", step)


def tell_no_audience(list_id: str, there: Mapping[str, str]) -> MusterError:
    """For an id that the account does not have; `there` are the ids and names that it has, as far as they were read."""
    shown = [f"{one} ({name})" for one, name in list(there.items())[:SHOWN_COUNT]]
    more = [f"and {len(there) - SHOWN_COUNT} more"] if len(there) > SHOWN_COUNT else []
    has = f" This account has: {', '.join(shown + more)}." if shown else ""
    return InvalidError(f"This account has no audience {list_id[:40]!r}.", NO_SUCH_AUDIENCE + has)


def is_no_audience(problem: MailchimpProblem) -> bool:
    return problem.kind == AUDIENCE_GONE.kind
