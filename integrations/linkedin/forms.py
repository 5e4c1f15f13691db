"""A lead's answers put beside the questions of its form: what each means, and the words of its consents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.kit.values import filled, identifier, object_at, objects_in, text_of

# What the name of a question means where the form cannot be had: letters only, in lower case.
_NAMES = {
    "firstname": "first_name", "lastname": "last_name", "email": "email", "emailaddress": "email",
    "workemail": "work_email", "phone": "phone_number", "phonenumber": "phone_number", "company": "company_name",
    "companyname": "company_name", "title": "job_title", "jobtitle": "job_title", "city": "city",
    "state": "state", "country": "country", "zipcode": "postal_code", "postalcode": "postal_code",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """One version of a lead form. Without the form's own answer everything is empty."""

    meanings: Mapping[str, str] = field(
        default_factory=dict
    )  # question's number -> "email", "first_name", ...
    names: Mapping[str, str] = field(default_factory=dict)  # question's number -> its name
    options: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (question, option) -> its words
    consents: Mapping[str, str] = field(default_factory=dict)  # consent's number -> its words
    hidden: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


def read_form(answer: Any) -> Form:
    """A form in either of its shapes: with `content`, or with the questions at the top."""
    form = object_at(answer)
    content = object_at(form, "content") or form
    questions = objects_in(content.get("questions"))
    legal = object_at(content, "legalInfo") or object_at(form, "legalInfo")
    return Form(
        meanings={
            _number(each): text_of(each.get("predefinedField")).lower()
            for each in questions
            if text_of(each.get("predefinedField"))
        },
        names={
            _number(each): text_of(each.get("name")) or _words(each.get("question")) for each in questions
        },
        options=dict(pair for each in questions for pair in _options(each)),
        consents={
            identifier(each.get("consentId")) or identifier(each.get("id")): _words(each.get("consent"))
            for each in objects_in(legal.get("consents"))
        },
        hidden={
            text_of(each.get("name")): text_of(each.get("value"))
            for each in objects_in(form.get("hiddenFields"))
        },
        name=text_of(form.get("name")),
    )


def read_answers(response: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """`fields` by their meaning, `answers` to the form's own questions by name, `consents` by their words, `hidden`."""
    fields: dict[str, str] = {}
    answers: dict[str, Any] = {}
    for each in objects_in(response.get("answers")):
        number, value = _number(each), _value(each, form)
        if not value:
            continue
        name = form.names.get(number) or text_of(each.get("name")) or f"question {number}"
        meaning = form.meanings.get(number) or ("" if number in form.names else _meaning(name))
        if meaning:
            fields.setdefault(meaning, value if isinstance(value, str) else ", ".join(value))
        else:
            answers[name] = value
    consents = {
        form.consents.get(_consent(each)) or f"consent {_consent(each)}": each.get("accepted") is True
        for each in objects_in(response.get("consentResponses"))
    }
    hidden = {name: value for name, value in form.hidden.items() if name}
    return filled(
        {"fields": fields, "answers": answers, "consents": consents, "hidden": hidden, "form": form.name}
    )


def _value(each: Mapping[str, Any], form: Form) -> str | list[str]:
    """Three public sources have answerDetails, LinkedIn's guide has accepted; both mean the same."""
    details = object_at(each, "answerDetails") or object_at(each, "accepted") or object_at(each)
    said = text_of(object_at(details, "textQuestionAnswer").get("answer")).strip()
    if said:
        return said
    chosen = object_at(details, "multipleChoiceAnswer") or object_at(details, "multipleChoiceQuestionAnswer")
    options = chosen.get("options")
    numbers = [identifier(option) for option in options] if isinstance(options, list) else []
    return [form.options.get((_number(each), number), number) for number in numbers if number]


def _options(question: Mapping[str, Any]) -> list[tuple[tuple[str, str], str]]:
    listed = object_at(question, "questionDetails", "multipleChoiceQuestionDetails").get("options")
    return [
        ((_number(question), identifier(each.get("id"))), _words(each.get("text")))
        for each in objects_in(listed)
    ]


def _words(value: Any) -> str:
    """Text, or the first of its translations."""
    if isinstance(value, str):
        return value
    localized = object_at(value, "localized")
    return next((each for each in localized.values() if isinstance(each, str)), "")


def _meaning(name: str) -> str:
    return _NAMES.get("".join(letter for letter in name.lower() if letter.isalpha()), "")


def _number(each: Mapping[str, Any]) -> str:
    return identifier(each.get("questionId"))


def _consent(each: Mapping[str, Any]) -> str:
    return identifier(each.get("consentId"))
