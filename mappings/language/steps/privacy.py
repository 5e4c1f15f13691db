"""Steps that hide: hash and mask."""

from hashlib import sha256
from typing import Any

from mappings.language.steps.arguments import keys_of, refuse_argument, whole_number
from mappings.language.steps.declare import Example, Step, step


def _salt(argument: Any) -> str:
    if argument is None:
        return ""
    salt = keys_of(argument, {"salt": str}, ("salt",))["salt"]
    if not 0 < len(salt) <= 100:  # noqa: PLR2004
        raise refuse_argument("A salt has 1 to 100 characters.")
    return str(salt)


@step(
    "privacy", "text", "text",
    Example("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    Example("c", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", {"salt": "ab"}),
    Example("é", "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"),
    prepare=_salt, argument="nothing, or {salt: text}",
)  # fmt: skip
def hash(value: str, salt: str = "") -> str:  # noqa: A001 - the step's name
    """Gives the SHA-256 of the salt and the text, in hex."""
    return sha256((salt + value).encode("utf-8", "replace")).hexdigest()


@step(
    "privacy", "text", "text",
    Example("4111222233334444", "************4444", 4), Example("abc", "***", 4), Example("secret", "******", 0),
    prepare=whole_number(0, 20, default=0), argument="how many characters stay at the end",
)  # fmt: skip
def mask(value: str, kept: int = 0) -> str:
    """Replaces characters by stars, but for some at the end."""
    return "*" * len(value) if kept == 0 or kept >= len(value) else "*" * (len(value) - kept) + value[-kept:]


STEPS: tuple[Step, ...] = (hash, mask)
