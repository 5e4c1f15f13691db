"""What somebody answered in a form builder's form: questions become short names that a mapping can read."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from integrations.kit.values import filled

_LONGEST, _MOST_READ = 60, 300
_NOT_A_LETTER = re.compile(r"[\W_]+")
# Only to tell which answer is meant as an address; the mapping checks it.
_ADDRESS = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>]{1,200}\.[^@\s,;<>.]{2,63}")
# Unusual alphabets are kept; these have an accent that is no separate mark.
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ı": "i"})


def simple_name(label: str) -> str:
    """A question or label as a name: "Prénom *" -> "prenom", "What's your e-mail?" -> "what_s_your_e_mail"."""
    return _simple_name(label[:_MOST_READ])


@lru_cache(
    maxsize=4096
)  # a form's questions are the same in every delivery; cut first, so that the cache stays small
def _simple_name(label: str) -> str:
    # A decorated letter may turn out to be a capital one ("𝕊" is "S"), so it is decomposed before it is made small.
    small = unicodedata.normalize("NFKD", label).casefold().translate(_LETTERS)
    text = unicodedata.normalize("NFKD", small)
    plain = "".join(character for character in text if not unicodedata.combining(character))
    return _NOT_A_LETTER.sub("_", unicodedata.normalize("NFC", plain)).strip("_")[:_LONGEST].strip("_")


def is_address(value: Any) -> bool:
    """Whether an answer is written like one e-mail address."""
    return isinstance(value, str) and len(value) <= _LONGEST * 5 and bool(_ADDRESS.fullmatch(value.strip()))


@dataclass(slots=True)
class Answers:
    """The answers of one form, collected question by question."""

    fields: dict[str, Any] = field(default_factory=dict)  # short name -> answer
    found: dict[str, str] = field(
        default_factory=dict
    )  # "email", "phone" ... -> the first answer of that type
    consents: dict[str, bool] = field(default_factory=dict)  # wording of a consent question -> ticked
    _numbers: dict[str, int] = field(default_factory=dict)  # short name -> the last number given to it

    def add(self, label: str, value: Any, kind: str = "") -> None:
        """An answer. `kind` (email, phone, ...) is the question's type where the platform knows one.

        A second question with the same words gets a number; blank answers are left out.
        """
        if value in (None, "", [], {}):
            return
        self.fields[self._free_name(simple_name(label) or "question")] = value
        if kind and isinstance(value, str):
            self.found.setdefault(kind, value)
        elif is_address(value):
            self.found.setdefault("email", value)

    def _free_name(self, name: str) -> str:
        """The name, or the name and the next number. Goes on where it stopped: many of one name stay cheap."""
        free, number = name, self._numbers.get(name, 1)
        while free in self.fields:
            number += 1
            free = f"{name}_{number}"
        self._numbers[name] = number
        return free

    def add_consent(self, wording: str, is_given: bool) -> None:
        """The answer to a question that asks for consent; with the same words twice, both must be yes."""
        text = wording.strip() or "consent"
        self.consents[text] = is_given and self.consents.get(text, True)

    def content(self) -> dict[str, Any]:
        """What the mapping reads: `fields`, `found`, `consents`, each where it holds anything."""
        return filled({"fields": self.fields, "found": self.found, "consents": self.consents})
