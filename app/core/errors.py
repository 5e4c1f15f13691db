"""The exception tree. Every message is a sentence for the person who can fix it.

MusterError
├── ConfigError         a setting is wrong or missing
├── NotRunningError     the database or the queue cannot be reached
├── NotFoundError       no such source, contact, audience, ...
├── ConflictError       somebody else changed it, or it exists already
├── InvalidError        input that breaks a rule; carries problems by field
└── BusyError           try again later
"""

from collections.abc import Sequence
from typing import Any


class MusterError(Exception):
    """The root. `hint` is the next step; `exit_code` is what the command line ends with."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class ConfigError(MusterError):
    """A setting is wrong or missing."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class NotRunningError(MusterError):
    """A server that Muster needs cannot be reached."""

    exit_code = 69  # EX_UNAVAILABLE


class NotFoundError(MusterError):
    """The thing named does not exist."""

    exit_code = 66  # EX_NOINPUT


class ConflictError(MusterError):
    """It exists already, or somebody changed it meanwhile."""

    exit_code = 73  # EX_CANTCREAT


class InvalidError(MusterError):
    """Input that breaks a rule. `problems` is a list of things with path, reason, hint and value."""

    exit_code = 65  # EX_DATAERR

    def __init__(self, message: str, hint: str = "", problems: Sequence[Any] = ()) -> None:
        super().__init__(message, hint)
        self.problems = tuple(problems)


class BusyError(MusterError):
    """Not now; the same call may go through later."""

    exit_code = 75  # EX_TEMPFAIL
