"""A Tally submission put into the form that the mapping reads: option ids become the words people chose."""

from collections.abc import Mapping
from typing import Any

from integrations.kit.answers import Answers
from integrations.kit.values import filled, identifier, objects_in, text_of

_KINDS = {"INPUT_EMAIL": "email", "INPUT_PHONE_NUMBER": "phone"}
_HIDDEN = "HIDDEN_FIELDS"


def read_submission(data: Mapping[str, Any]) -> dict[str, Any]:
    """The content for the mapping.

    `fields` by the question's label, `keys` by Tally's own key, `found` by the type of the question, `boxes` each
    checkbox that stands alone or was ticked, `hidden` what came in the form's address.
    """
    answers, keys, hidden, boxes = Answers(), {}, {}, {}
    fields = objects_in(data.get("fields"))
    grouped = {identifier(each.get("key")) for each in fields if isinstance(each.get("options"), list)}
    for each in fields:
        key, label, kind = identifier(each.get("key")), text_of(each.get("label")), text_of(each.get("type"))
        value = _value(each)
        if kind == "CHECKBOXES" and isinstance(value, bool):
            # Tally repeats every option of a group as a yes or no of its own: question_x_<option id>.
            boxes[_option(label)] = value
            if any(key.startswith(f"{whole}_") for whole in grouped):
                continue
        if kind == _HIDDEN:
            hidden[label[:60] or key] = value
        else:
            answers.add(label or key, value, _KINDS.get(kind, ""))
            keys[key] = value
    made = {
        "response_id": identifier(data.get("responseId") or data.get("submissionId")),
        "respondent_id": identifier(data.get("respondentId")),
        "form_id": identifier(data.get("formId")),
        "form_name": text_of(data.get("formName")),
        "submitted_at": text_of(data.get("createdAt")),
        "hidden": filled(hidden),
        "keys": filled(keys),
        "boxes": boxes,
    }
    return filled({**made, **answers.content()})


def _value(field: Mapping[str, Any]) -> Any:
    """The answer; ids of options (and of a matrix's rows and columns) become their texts, uploads their addresses."""
    value, kind = field.get("value"), text_of(field.get("type"))
    if kind == "MATRIX" and isinstance(value, dict):
        return _matrix(field, value)
    if kind in ("FILE_UPLOAD", "SIGNATURE"):
        return [url for url in (text_of(each.get("url")) for each in objects_in(value)) if url]
    texts = _texts(field.get("options"))
    if texts and isinstance(value, list):
        return [texts.get(identifier(each), identifier(each)) for each in value]
    if texts and isinstance(value, str):
        return texts.get(value, value)
    return value


def _matrix(field: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    rows, columns = _texts(field.get("rows")), _texts(field.get("columns"))
    return {
        rows.get(row, row): [columns.get(identifier(each), identifier(each)) for each in chosen]
        for row, chosen in value.items()
        if isinstance(chosen, list)
    }


def _texts(options: Any) -> dict[str, str]:
    """Id -> what people read."""
    return {
        identifier(each.get("id")): text_of(each.get("text") or each.get("name"))
        for each in objects_in(options)
    }


def _option(label: str) -> str:
    """The option of "Question (Option)", which is how Tally labels the yes or no of one box."""
    inner = label.rpartition("(")[2] if label.endswith(")") else ""
    return inner[:-1] or label
