"""What is said beside a line of a person's history that it does not say itself. Pure."""

from collections.abc import Iterable, Mapping

from app.contacts.consent import BOUNCED, Evidence
from app.contacts.views import EvidenceView, TimelineView

Statement = tuple[int | None, str, str, str, str]  # event id, channel, purpose, proof, method
# Against a claim it helps to know what would count instead; what the person confirmed themselves was merely not newer.
ENDINGS = {"claimed": "; only their own confirmation does", "confirmed": ", which it does not lift"}


def beside_claim(proof: str, refusal: Evidence) -> str:
    """Why a statement of consent did not count, where `refusal` stood against it."""
    if refusal.method == BOUNCED:
        what = "mail to their address bounced"
    else:
        what = f"{'they' if refusal.is_own else 'somebody at the same address'} opted out"
    return f"does not count: {what} on {refusal.effective_at:%-d %b %Y}{ENDINGS.get(proof, '')}"


def list_statements(evidence: Iterable[EvidenceView]) -> dict[Statement, str]:
    """What is said beside the statements of consent that did not count. One that an event also takes back is left out."""
    lines = list(evidence)
    taken_back = {_statement(line) for line in lines if line.verdict == "withdrawn"}
    asides = {_statement(line): line.aside for line in lines if line.aside}
    return {statement: aside for statement, aside in asides.items() if statement not in taken_back}


def _statement(line: EvidenceView) -> Statement:
    return (line.event_id, line.channel, line.purpose, line.proof, line.method)


def beside_line(line: TimelineView, statements: Mapping[Statement, str]) -> str:
    """Beside a line of the history: why a member left, or that a statement of consent did not count."""
    if line.kind != "consent":
        return str(line.detail.get("reason") or "")
    channel, purpose, proof, method = (
        str(line.detail.get(name) or "") for name in ("channel", "purpose", "proof", "method")
    )
    return statements.get((line.event_id, channel, purpose, proof, method), "")
