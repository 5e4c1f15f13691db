"""What may happen in the small town, and any number of it by chance: the same steps for the same seed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SINGLE, DOUBLE = "a1b2c3d4e5", "d0ub1e0123"
LISTS = (SINGLE, DOUBLE)
PEOPLE = (("Ada", "Hart"), ("Ben", "Hart"), ("Cleo", "Moss"), ("Dov", "Lind"))
FAMILY = "family@house.test"
AWAY = "away"  # the tag of whom no audience wants
WEIGHTS: dict[str, int] = {
    "form": 10, "proof": 5, "leave": 4, "late_form": 3, "row": 4, "act": 5, "sign_up": 4, "confirm": 5, "edit": 2,
    "move": 3, "staff": 5, "hook": 7, "all_hooks": 2, "lose_hooks": 1, "push": 14, "crash": 2, "race": 3, "pull": 8,
    "reconcile": 2, "fault": 4, "mend": 1, "wait": 4, "pause": 1, "resume": 2, "merge": 3, "unmerge": 2, "erase": 2,
    "replay": 2, "republish": 1, "go_away": 3, "speak": 1, "api": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing that happens: what, to whom, by which address, on which list, and a number for the rest."""

    what: str
    person: int = 0
    place: int = 0
    number: int = 0

    def __str__(self) -> str:
        return f'Step("{self.what}", {self.person}, {self.place}, {self.number})'

    @property
    def email(self) -> str:
        name = PEOPLE[self.person][0].lower()
        return (f"{name}@house.test", f"{name}.new@house.test", FAMILY)[self.place]

    @property
    def list_id(self) -> str:
        return LISTS[self.number % 2]


def make_steps(seed: int, count: int = 50) -> list[Step]:
    """The same steps for the same seed, in a world whose undecided switches stand somehow."""
    chance = random.Random(seed)
    names = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    steps = [
        Step(name, chance.randrange(len(PEOPLE)), chance.choice((0, 0, 0, 1, 2)), chance.randrange(840))
        for name in names
    ]
    return [Step("api", number=chance.randrange(840)), *steps]


def shrink(steps: Sequence[Step], is_failing: Callable[[Sequence[Step]], bool]) -> list[Step]:
    """Fewer steps that fail still: ever smaller pieces are left out while that is so."""
    kept, size = list(steps), max(len(steps) // 2, 1)
    while size:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if is_failing(fewer):
                kept = fewer
            else:
                start += size
        size //= 2
    return kept
