"""Write docs/mailchimp-errors.md from the error table. `--check` says whether it is as it should be."""

import sys
from pathlib import Path

from integrations.mailchimp.problems import ACTIONS, OF_AUDIENCE, OF_MERGE_FIELD, RULES, Rule

PAGE = Path(__file__).parent.parent / "docs" / "mailchimp-errors.md"
HEAD = """# What Mailchimp refuses, and what Muster does about it

Made by `python tools/mailchimp_errors.py` from the table in `integrations/mailchimp/problems.py`, which is looked
through from the top: status, then title, then words of the detail. Titles and details are Mailchimp's own
(<https://mailchimp.com/developer/marketing/docs/errors/>, recorded answers and public issues, seen 2026-11).

Only an answer of JSON counts as a success. No answer at all is `outage` where nothing was sent (nobody listens, no
connection in time), `unknown_outcome` where the connection broke or the call's time was over after that, and
`throttled` where no connection of Muster's own budget became free.

| Mailchimp answers | kind | Muster | what the admin reads, and can do |
|---|---|---|---|
"""

PLACES = {
    OF_AUDIENCE: "for the audience itself, a listing of it, or a PUT into it",
    OF_MERGE_FIELD: "for a merge field",
}


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(row(rule) for rule in RULES) + "\n"


def row(rule: Rule) -> str:
    found = rule.classification
    cells = (words(rule), f"`{found.kind}`", ACTIONS[found.action], found.sentence)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def words(rule: Rule) -> str:
    """What the rule looks for, for people."""
    first, last = rule.statuses[0], rule.statuses[-1]
    parts = [str(first) if first == last else f"{first}-{last}"]
    parts += [f"*{rule.title}*"] if rule.title else []
    parts += [f"“{rule.detail}”"] if rule.detail else []
    parts += [PLACES[rule.where]] if rule.where else []
    parts += (
        [{True: "with JSON", False: "without JSON (HTML, or nothing)"}[rule.is_json]]
        if rule.is_json is not None
        else []
    )
    return " ".join(parts)


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
