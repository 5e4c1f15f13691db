"""A Typeform response put into the form that the mapping reads: titles become names, legal questions become consents.

https://www.typeform.com/developers/webhooks/example-payload/ and .../developers/responses/ (from public documentation as collected 2026-11).
"""

import re
from collections.abc import Mapping
from typing import Any

from integrations.kit.answers import Answers
from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

# What the type of an answer says about the person; the others are read by the name of the question.
_KINDS = {"email": "email", "phone_number": "phone"}
_COPIED = ("submitted_at", "landed_at", "hidden")
_MOST_LEVELS = 5
# A ref is free text of the form's author, or a UUID of Typeform's own, which tells nobody anything.
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def read_response(response: Mapping[str, Any]) -> dict[str, Any]:
    """The content for the mapping.

    `fields` by the question's title, `refs` by its ref, `found.email` and `found.phone` by the type of the question,
    `consents` by the text of each legal question, `hidden` and `variables` as the form was called and calculated.
    """
    definition = object_at(response, "definition")
    questions = {identifier(each.get("id")): each for each in _questions(definition.get("fields"))}
    answers, refs = Answers(), {}
    for answer in objects_in(response.get("answers")):
        asked = object_at(answer, "field")
        question = {**asked, **questions.get(identifier(asked.get("id")), {})}
        value, ref = _value(answer), text_of(question.get("ref")).strip()
        title = text_of(question.get("title")) or ref or identifier(question.get("id"))
        answers.add(title, value, _KINDS.get(text_of(answer.get("type")), ""))
        if ref and not _UUID.fullmatch(ref):
            refs[ref[:60]] = value
        if question.get("type") == "legal" and isinstance(value, bool):
            answers.add_consent(title, value)
    made = {name: response.get(name) for name in _COPIED}
    made |= {"response_id": identifier(response.get("token")), "form_id": identifier(response.get("form_id"))}
    made |= {"form_title": text_of(definition.get("title")), "variables": _variables(response)}
    return filled({**made, "refs": filled(refs), **answers.content()})


def _questions(fields: Any, level: int = 0) -> list[dict[str, Any]]:
    """Every question; groups and contact blocks have theirs inside."""
    found = objects_in(fields)
    if level >= _MOST_LEVELS:
        return found
    inner = [_questions(object_at(each, "properties").get("fields"), level + 1) for each in found]
    return found + [question for group in inner for question in group]


def _value(answer: Mapping[str, Any]) -> Any:
    """The answer itself: it stands under the name of its type."""
    kind = text_of(answer.get("type"))
    value = answer.get(kind)
    if kind == "choice":
        return text_of(object_at(value).get("label")) or text_of(object_at(value).get("other"))
    if kind == "choices":
        labels = object_at(value).get("labels")
        other = text_of(object_at(value).get("other"))
        return [text for text in [*(labels if isinstance(labels, list) else []), other] if text]
    return value


def _variables(response: Mapping[str, Any]) -> dict[str, Any]:
    listed = objects_in(response.get("variables"))
    made = {text_of(each.get("key")): each.get(text_of(each.get("type"))) for each in listed}
    return {name[:60]: value for name, value in made.items() if name}
