"""What went wrong in a run: why it failed; and one group a reason, with how many people it struck. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.audiences.views import Trouble
from app.core.errors import MusterError
from integrations.mailchimp.problems import MailchimpProblem

SHOWN_PEOPLE, SHOWN_ERRORS = 5, 50
KNOWN_PEOPLE = 1000  # of a group that are told apart
KNOWN = "known_ids"


def group_errors(
    known: Sequence[Mapping[str, Any]],
    troubles: Iterable[tuple[int, Trouble]],
    known_count: int = KNOWN_PEOPLE,
) -> list[dict[str, Any]]:
    """One entry a reason: {code, reason, hint, count, contact_ids, known_ids}, with the first five people. The commonest first.

    `count` is people: whoever is tried again is not counted again. For that a group knows its first `known_count` people;
    of those behind them every try counts. With 0 nobody is known, for callers who name each contact once.
    """
    groups = {(one["code"], one["reason"]): dict(one) for one in known}
    by_reason: dict[tuple[str, str], tuple[Trouble, list[int]]] = {}
    for contact_id, trouble in troubles:
        by_reason.setdefault((trouble.code, trouble.reason), (trouble, []))[1].append(contact_id)
    for reason, (trouble, contact_ids) in by_reason.items():
        group = groups.get(reason) or {**trouble.as_dict(), "count": 0, "contact_ids": []}
        groups[reason] = _with_people(group, contact_ids, known_count)
    return sorted(groups.values(), key=lambda group: -group["count"])[:SHOWN_ERRORS]


def _with_people(group: Mapping[str, Any], contact_ids: Sequence[int], known_count: int) -> dict[str, Any]:
    shown = group["contact_ids"]  # a row of an older version knows no others
    known = dict.fromkeys([*group.get(KNOWN, ()), *shown])
    count = group["count"]
    for contact_id in contact_ids:
        if contact_id in known:
            continue
        count += 1
        if len(known) < max(known_count, SHOWN_PEOPLE):
            known[contact_id] = None
    kept = {KNOWN: list(known)} if known_count else {}
    return {**group, "count": count, "contact_ids": list(known)[:SHOWN_PEOPLE], **kept}


def shown_errors(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Groups as people see them: without whom they are told apart by."""
    return [{name: value for name, value in one.items() if name != KNOWN} for one in errors]


def explain(error: BaseException) -> dict[str, str]:
    """A run's error for people: {code, reason, hint}; of an unknown one only the kind, for its text may name a person."""
    hint = getattr(error, "hint", "") or getattr(error, "sentence", "")
    is_ours = isinstance(error, (MusterError, MailchimpProblem))
    reason = str(error) if is_ours else f"A fault of Muster's own: {type(error).__name__}."
    return {"code": getattr(error, "kind", "") or type(error).__name__, "reason": reason, "hint": hint}
