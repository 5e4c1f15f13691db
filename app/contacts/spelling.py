"""Two spellings of one name: is the later one worse? Pure."""

import unicodedata
from typing import Any

NAME_FIELDS = frozenset({"first_name", "last_name", "full_name", "preferred_name", "maiden_name"})
# Letters that carry their mark in one piece, which no decomposition takes off.
MARKED = str.maketrans("øłđı", "oldi")
FIRST_MARK, LAST_MARK = "\u0300", "\u036f"  # combining accents; the vowel signs of other scripts stay


def is_worse_spelling(new: Any, old: Any) -> bool:
    """Whether two names differ only in case and accents, and `new` is all capitals, all small, or lost accents.

    "ANA" and "ana" are worse than "Ana", "Lopez" is worse than "López"; "McDonald" and "Mcdonald" are equally good.
    """
    if not isinstance(new, str) or not isinstance(old, str) or new == old:
        return False
    plain_new, mark_count_new = _plain(new)
    plain_old, mark_count_old = _plain(old)
    is_same_name = plain_new == plain_old
    return is_same_name and (_is_mixed(new), mark_count_new) < (_is_mixed(old), mark_count_old)


def _plain(name: str) -> tuple[str, int]:
    """Without case and accents, and how many accents there were."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    unmarked = "".join(letter for letter in letters if not FIRST_MARK <= letter <= LAST_MARK)
    plain = unmarked.translate(MARKED)
    own_marks = sum(letter != other for letter, other in zip(unmarked, plain, strict=True))
    return plain, len(letters) - len(unmarked) + own_marks


def _is_mixed(name: str) -> bool:
    """Written with care for case: not all small letters, and not all capitals but for an initial."""
    capital_count = sum(letter.isupper() for letter in name)
    return not name.islower() and (capital_count < 2 or not name.isupper())  # noqa: PLR2004 - an initial is one
