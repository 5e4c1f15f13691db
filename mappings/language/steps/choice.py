"""Steps that choose: lookup, one_of, blank_if, ticked."""

from typing import Any

from mappings.language.problems import Refused
from mappings.language.steps.arguments import keys_of, refuse_argument, texts, word_key
from mappings.language.steps.declare import Example, Step, as_text, step
from mappings.language.steps.values import YES_WORDS

MAX_WORDS = 500


def _table(argument: Any) -> tuple[dict[str, Any], str, Any]:
    keys = keys_of(argument, {"table": dict, "else": (str, int, float, type(None))}, ("table",))
    table = keys["table"]
    if not 0 < len(table) <= MAX_WORDS:
        raise refuse_argument(f"The table has 1 to {MAX_WORDS} entries.")
    if any(isinstance(value, dict | list | bool) for value in table.values()):
        raise refuse_argument("The table's values are texts or numbers.", "Put words such as true in quotes.")
    other = "keep" if keys.get("else") == "keep" else "value" if "else" in keys else "refuse"
    return {word_key(word): value for word, value in table.items()}, other, keys.get("else")


@step(
    "choice", "scalar", "scalar",
    Example("Alum ", "alumnus", {"table": {"alum": "alumnus", "fr": "friend"}}),
    Example("zz", "other", {"table": {"a": "b"}, "else": "other"}),
    Example("zz", "zz", {"table": {"a": "b"}, "else": "keep"}),
    Example("zz", None, {"table": {"a": "b"}, "else": None}),
    Example("zz", refused="not_in_table", argument={"table": {"a": "b"}}),
    prepare=_table, argument="{table: {word: value}, else: value, keep or null}",
)  # fmt: skip
def lookup(value: Any, prepared: tuple[dict[str, Any], str, Any]) -> Any:
    """Looks a word up in a table, whatever its case and punctuation; `else` for the others."""
    table, other, default = prepared
    word = word_key("true" if value is True else "false" if value is False else as_text(value))
    if word in table:
        return table[word]
    if other == "refuse":
        raise Refused(
            "not_in_table", "This word is not in the table.", "Add it, or say what is meant by else."
        )
    return value if other == "keep" else default


@step(
    "choice", "text", "text",
    Example("ALUMNI", "alumni", ["alumni", "friend"]), Example("friend", "friend", ["alumni", "friend"]),
    Example("x", refused="not_one_of", argument=["alumni"]),
    prepare=texts(), argument="a list of words",
)  # fmt: skip
def one_of(value: str, words: tuple[str, ...]) -> str:
    """Lets only the words named through, in the spelling of the list."""
    for word in words:
        if word.casefold() == value.strip().casefold():
            return word
    raise Refused("not_one_of", f"Only {', '.join(words)[:100]} are read here.")


@step(
    "choice", "scalar", "scalar",
    Example("N/A", None, ["n/a", "none"]), Example("Ana", "Ana", ["n/a"]), Example(0, None, ["0"]),
    prepare=lambda argument: frozenset(word_key(word) for word in texts()(argument)), argument="a list of words",
)  # fmt: skip
def blank_if(value: Any, words: frozenset[str]) -> Any:
    """Counts the words named as absent (n/a, none, unknown)."""
    if isinstance(value, bool):
        return value
    return None if word_key(as_text(value)) in words else value


@step(
    "choice", "object", "list",
    Example({"news": "on", "sms": "", "post": True}, ["news", "post"]), Example({"a": False}, None), Example({"a": "1"}, ["a"]),
)  # fmt: skip
def ticked(value: dict[str, Any]) -> list[str]:
    """Lists the names of the boxes that are ticked, of an object of boxes."""
    return [str(name) for name, mark in list(value.items())[:MAX_WORDS] if _is_yes(mark)]


def _is_yes(mark: Any) -> bool:
    return mark is True or mark == 1 or (isinstance(mark, str) and mark.strip().casefold() in YES_WORDS)


STEPS: tuple[Step, ...] = (lookup, one_of, blank_if, ticked)
