"""A submission asked for at Jotform's API, because the webhook itself proves nothing. https://api.jotform.com/docs/"""

import re
from dataclasses import replace
from typing import Any

from integrations.jotform.submission import read_answers
from integrations.kit.contract import Client, EnrichError, Event, SourceConfig
from integrations.kit.times import find_time
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import identifier, object_at, text_of

_SUBMISSION_ID = re.compile(r"[0-9]{1,32}")
# Jotform answers 200 and says in the answer what it means.
_INNER = {401: "blocked_credentials", 403: "blocked_credentials", 404: "gone", 429: "waiting_enrich"}
_FIRST_SERVER_ERROR = 500
_MISSING = "the source has no API key, so submissions cannot be confirmed"
_HINT = "Jotform: Settings, API, Create New Key (read access). Set it as api_key, or switch confirm off."


def fetch_submission(event: Event, config: SourceConfig, client: Client) -> Event:
    """The event with the answers that Jotform's API gives for its submission, or EnrichError."""
    submission_id = identifier(event.content.get("submission_id"))
    if not _SUBMISSION_ID.fullmatch(submission_id):
        raise EnrichError("invalid", "the submission's id is no number", "Check who posts here.")
    answer = ask_with_each(
        config.secrets.get("api_key", ()),
        _MISSING,
        _HINT,
        lambda key: _checked(client.get_json(f"/submission/{submission_id}", {}, {"APIKEY": key})),
    )
    found = object_at(answer, "content")
    if identifier(found.get("id")) != submission_id or identifier(found.get("form_id")) != event.account:
        raise EnrichError("invalid", "the answer is about another submission", "Check who posts here.")
    if text_of(found.get("status")) == "DELETED":
        raise EnrichError("gone", "the submission was deleted at Jotform")
    asked = object_at(found, "answers")
    raw = {
        f"q{number}_{text_of(object_at(each).get('name'))}": object_at(each).get("answer")
        for number, each in asked.items()
    }
    types = {number: text_of(object_at(each).get("type")) for number, each in asked.items()}
    kept = {name: value for name, value in event.content.items() if name not in ("fields", "found")}
    content = {**kept, **read_answers(raw, types), "confirmed": True}
    occurred_at = event.occurred_at or find_time(found.get("created_at"))
    return replace(event, content=content, occurred_at=occurred_at, needs_enrich=False)


def _checked(answer: Any) -> Any:
    code = object_at(answer).get("responseCode", 200)
    if code == 200:  # noqa: PLR2004 -- HTTP's OK, inside the answer
        return answer
    is_busy = isinstance(code, int) and code >= _FIRST_SERVER_ERROR
    outcome = "waiting_enrich" if is_busy else _INNER.get(code if isinstance(code, int) else 0, "invalid")
    raise EnrichError(outcome, "Jotform's API refused the submission", _HINT)
