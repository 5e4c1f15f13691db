"""Identity and tag rules as functions that add to a draft of a contact patch."""

from mappings.language.chain import Mismatch, build_chain, tidy_text
from mappings.language.document import TAGS, IdentityRule, TagRule
from mappings.language.patch import Identity, Problem
from mappings.language.paths import Scope, compile_first_present, compile_path, is_blank
from mappings.language.problems import Refused, quoted
from mappings.language.rules import Draft, Program, add_identity, add_tags, texts_of
from mappings.language.when import compile_condition


def compile_identity(rule: IdentityRule, problems: list[Problem]) -> Program | None:
    """An identity rule; the kinds email and phone are checked like the fields."""
    try:
        chain = build_chain(rule.do, rule.kind if rule.kind in ("email", "phone") else "text")
    except Mismatch as mismatch:
        where = f"{rule.place}.do[{mismatch.index}]"
        problems.append(
            Problem(
                where, mismatch.refused.code, mismatch.refused.reason, mismatch.refused.hint, line=rule.line
            )
        )
        return None
    read, guard = compile_first_present(rule.paths), compile_condition(rule.when)
    read_scope = compile_path(rule.scope_from) if rule.scope_from else None

    def run(scope: Scope, draft: Draft) -> None:
        if guard is not None and not guard(scope):
            return
        raw = read(scope)
        if is_blank(raw):
            return
        try:
            value = chain.run(raw, scope)
            within = tidy_text(read_scope(scope) or "") if read_scope else rule.scope
        except Refused as refused:
            draft.warnings.append(
                Problem(
                    rule.paths[0].text,
                    refused.code,
                    refused.reason,
                    refused.hint,
                    quoted(raw),
                    rule.kind,
                    rule.line,
                )
            )
            return
        if value:
            add_identity(draft, Identity(rule.kind, value, within))

    return Program(
        rule.place, f"identity:{rule.kind}", texts_of((*rule.paths, rule.scope_from)), run, read, chain
    )


def compile_tags(rule: TagRule) -> Program:
    """Tags with fixed names."""
    guard = compile_condition(rule.when)

    def run(scope: Scope, draft: Draft) -> None:
        if guard is None or guard(scope):
            add_tags(draft.tags_added, rule.add)
            add_tags(draft.tags_removed, rule.remove)

    return Program(rule.place, TAGS, (), run)
