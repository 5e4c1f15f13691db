"""Many rows in one statement: each column travels as one text, which PostgreSQL takes apart.

A driver's lists are adapted value by value in Python; for thousands of rows that costs more than the statement itself.
"""

from collections.abc import Collection, Iterable

# Neither stands in an address, a hash or a status, and JSON writes both as escapes.
BETWEEN, NOTHING = "\x1f", "\x1e"
_CLEAN = str.maketrans({BETWEEN: " ", NOTHING: " "})


def numbers_column(numbers: Iterable[int]) -> str:
    """For CAST(:name AS bigint[])."""
    return f"{{{','.join(map(str, numbers))}}}"


def texts_column(texts: Collection[str | None]) -> str:
    """For the SQL of `texts_sql`; None is NULL. At least one."""
    joined = BETWEEN.join([*(NOTHING if one is None else one for one in texts), ""])
    if joined.count(BETWEEN) != len(texts) or joined.count(NOTHING) != list(texts).count(None):
        return texts_column([None if one is None else one.translate(_CLEAN) for one in texts])
    return joined


def texts_sql(name: str) -> str:
    """SQL of the text[] that a column's text holds. The end is marked, for an empty text would be an empty array."""
    return f"trim_array(string_to_array(:{name}, E'\\x1f', E'\\x1e'), 1)"
