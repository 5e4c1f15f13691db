"""Consent rules as functions that add evidence to a draft; the consent engine decides what follows from it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal

from mappings.language.chain import Mismatch, build_chain
from mappings.language.document import ConsentRule
from mappings.language.frozen import quick_maker
from mappings.language.patch import ConsentEvidence, Problem
from mappings.language.paths import Reader, Scope, compile_first_present, compile_path, is_blank
from mappings.language.problems import Refused, quoted
from mappings.language.rules import Draft, Program
from mappings.language.steps.arguments import word_key
from mappings.language.steps.choice import ticked
from mappings.language.steps.contact import email
from mappings.language.steps.declare import as_text
from mappings.language.steps.values import CONSENT_YES, NO_WORDS
from mappings.language.steps.values import datetime as read_time
from mappings.language.when import compile_condition

Answer = Literal["given", "withdrawn"]
Convert = Callable[[Any, Scope], Any]
MAX_WORDING = 2_000
UNCLEAR = Refused(
    "consent_unclear",
    "This is neither among the words for yes nor those for no.",
    "Add the word to the rule.",
)
_make_evidence = quick_maker(ConsentEvidence)


def compile_consent(rule: ConsentRule, problems: list[Problem]) -> Program | None:
    """A consent rule; None when it has problems, which are added to `problems`."""
    try:
        chain = build_chain(rule.do)
    except Mismatch as mismatch:
        where = f"{rule.place}.do[{mismatch.index}]"
        problems.append(
            Problem(
                where, mismatch.refused.code, mismatch.refused.reason, mismatch.refused.hint, line=rule.line
            )
        )
        return None
    read = compile_first_present(rule.paths) if rule.paths else None
    read_verdict = _verdict_reader(rule, read, chain.run)
    guard = compile_condition(rule.when)
    read_wording, read_at, read_address = _text_reader(rule), _time_reader(rule), _address_reader(rule)

    def run(scope: Scope, draft: Draft) -> None:
        if guard is not None and not guard(scope):
            return
        verdict = read_verdict(scope, draft)
        if verdict is None:
            return
        address = read_address(scope, draft)
        if address is None and verdict == "given":
            return  # whose consent it would be is not known; the warning says so
        evidence = _make_evidence(
            rule.channel,
            rule.purpose,
            verdict,
            rule.proof,
            read_wording(scope),
            rule.method,
            read_at(scope, draft),
            address or "",
        )
        if evidence not in draft.consents:
            draft.consents.append(evidence)

    paths = (*rule.paths, *rule.wording_from, rule.at, rule.address_from)
    texts = tuple(path.text for path in paths if path is not None)
    return Program(rule.place, f"consent:{rule.channel}/{rule.purpose}", texts, run, read, chain)


def _verdict_reader(
    rule: ConsentRule, read: Reader | None, convert: Convert
) -> Callable[[Scope, Draft], Answer | None]:
    if read is None:
        always: Answer | None = rule.always or None
        return lambda _scope, _draft: always
    answer = _answer_reader(rule)

    def verdict(scope: Scope, draft: Draft) -> Answer | None:
        raw = read(scope)
        if is_blank(raw):
            return None
        try:
            found = answer(convert(raw, scope))
            is_unclear = found is None and _is_unclear(rule, raw)
        except Refused as refused:
            draft.warnings.append(_warning(rule, raw, refused))
            return None
        if is_unclear:
            draft.warnings.append(_warning(rule, raw, UNCLEAR))
        return found

    return verdict


def _is_unclear(rule: ConsentRule, raw: Any) -> bool:
    # "no", "false", "0" are plain: no consent, and no withdrawal either unless the rule says so.
    return bool(rule.no and rule.yes) and not NO_WORDS.issuperset(_words(raw))


def _warning(rule: ConsentRule, raw: Any, refused: Refused) -> Problem:
    path = rule.paths[0].text if rule.paths else rule.place
    return Problem(path, refused.code, refused.reason, refused.hint, quoted(raw), "consent", rule.line)


def _answer_reader(rule: ConsentRule) -> Callable[[Any], Answer | None]:
    yes = frozenset(rule.yes or (() if rule.no else CONSENT_YES))
    no = frozenset(rule.no)

    def answer(value: Any) -> Answer | None:
        words = {word_key(value)} if value.__class__ is str else set(_words(value))
        # A withdrawal among several answers wins.
        return "withdrawn" if words & no else "given" if words & yes else None

    return answer


def _words(value: Any) -> Iterator[str]:
    """The words of an answer: one, each of a list, or the names and marks of an object's ticked boxes."""
    if isinstance(value, dict):
        marks = ticked.run(value)
        yield from (["true"] if marks else [])
        yield from (word_key(name) for name in marks)
    elif isinstance(value, list):
        for entry in value[:200]:
            if not isinstance(entry, list | dict):
                yield from _words(entry)
    elif value is not None:
        yield word_key(str(value).lower() if isinstance(value, bool) else as_text(value))


def _text_reader(rule: ConsentRule) -> Callable[[Scope], str]:
    if not rule.wording_from:
        return lambda _scope: rule.wording
    read = compile_first_present(rule.wording_from)

    def wording(scope: Scope) -> str:
        value = read(scope)
        entries = (
            ticked.run(value) if isinstance(value, dict) else value if isinstance(value, list) else [value]
        )
        texts = [_plain(entry) for entry in entries[:100]]
        return ", ".join(text for text in texts if text)[:MAX_WORDING] or rule.wording

    return wording


def _plain(value: Any) -> str:
    try:
        return "" if is_blank(value) else as_text(value).strip()
    except Refused:
        return ""


def _time_reader(rule: ConsentRule) -> Callable[[Scope, Draft], datetime | None]:
    if rule.at is None:
        return lambda _scope, _draft: None
    read = compile_path(rule.at)

    def at(scope: Scope, draft: Draft) -> datetime | None:
        value = read(scope)
        if is_blank(value):
            return None
        try:
            return datetime.fromisoformat(read_time.run(as_text(value)))
        except Refused as refused:
            draft.warnings.append(_warning(rule, value, refused))
            return None

    return at


def _address_reader(rule: ConsentRule) -> Callable[[Scope, Draft], str | None]:
    """Empty text = every address of the patch; None = an address is named, but cannot be read."""
    if rule.address_from is None:
        return lambda _scope, _draft: ""
    read = compile_path(rule.address_from)

    def address(scope: Scope, draft: Draft) -> str | None:
        value = read(scope)
        if is_blank(value):
            return ""
        try:
            text = as_text(value)
            return str(email.run(text)) if rule.channel == "email" else text.strip()
        except Refused as refused:
            draft.warnings.append(_warning(rule, value, refused))
            return None

    return address
