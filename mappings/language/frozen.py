"""Makes frozen dataclasses quickly.

The `__init__` of a frozen dataclass goes through `object.__setattr__` for every field, which costs more than all the
mapping of one field. A twin class with the same slots is filled by plain assignments and then becomes the frozen class.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any


def quick_maker(kind: type) -> Callable[..., Any]:
    """A function that takes every field of a frozen, slotted dataclass in order and makes an instance of it."""
    names = [field.name for field in fields(kind)]
    twin = type(f"{kind.__name__}Twin", (), {"__slots__": tuple(names)})
    sets = "".join(f"    _made.{name} = {name}\n" for name in names)
    head, tail = (
        f"def _make({', '.join(names)}):\n    _made = _twin()\n",
        "    _made.__class__ = _kind\n    return _made\n",
    )
    scope: dict[str, Any] = {"_twin": twin, "_kind": kind}
    exec(compile(head + sets + tail, f"<{kind.__name__}>", "exec"), scope)  # noqa: S102 - names of the fields only
    make: Callable[..., Any] = scope["_make"]
    return make
