"""Webhooks on their way: one arrives, perhaps twice, or all in any order, or none ever."""

import hashlib
import random
from datetime import UTC, datetime
from urllib.parse import parse_qs

from tests.kit.town.steps import Step
from tests.kit.town.town import Told, Town


def hook(town: Town, step: Step) -> None:
    """One of the webhooks under way arrives, perhaps twice; the others later, or never."""
    if town.hooks:
        told = town.hooks.pop(step.number % len(town.hooks))
        for copy in range(1 + (step.number % 3 == 0)):
            key = hashlib.sha256(told.body + bytes([copy * (step.number % 2)])).hexdigest()
            town.deliver("mc", key, told.body, "application/x-www-form-urlencoded")
        if told.kind in {"unsubscribe", "cleaned"}:
            _heard_of(town, told)
        elif told.kind == "subscribe":
            town.judge.agree(told.email, town.now, town.number, is_confirmed=False)  # no more than a claim
        if step.number % 4 == 0:
            town.hooks.append(told)  # once more, much later


def _heard_of(town: Town, told: Told) -> None:
    fired = parse_qs(told.body.decode())["fired_at"][0]
    at = int(datetime.fromisoformat(fired).replace(tzinfo=UTC).timestamp())
    for said in town.judge.opt_outs:
        if (said.email, said.list_id, said.at) == (told.email.casefold(), told.list_id, at):
            said.known_number = town.number if said.known_number is None else said.known_number


def all_hooks(town: Town, step: Step) -> None:
    """Everything under way arrives, the newest first or in any order."""
    random.Random(step.number).shuffle(town.hooks)
    for _ in range(len(town.hooks)):
        hook(town, Step("hook", number=1))


def lose_hooks(town: Town, _step: Step) -> None:
    town.hooks.clear()
