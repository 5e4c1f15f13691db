"""Asking a platform's API while a token is being rotated: newest first, until one is accepted."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from integrations.kit.contract import EnrichError

T = TypeVar("T")


def ask_with_each(tokens: Sequence[str], missing: str, hint: str, ask: Callable[[str], T]) -> T:
    """What `ask` gives for the first token that is not refused; the last refusal, or `missing` where there is none."""
    refusal = EnrichError("blocked_credentials", missing, hint)
    for token in tokens:
        if not token.strip():
            continue
        try:
            return ask(token.strip())
        except EnrichError as error:
            if error.outcome != "blocked_credentials":
                raise
            refusal = error
    raise refusal
