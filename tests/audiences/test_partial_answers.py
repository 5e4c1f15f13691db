"""F18: a batch answer that refuses some, names them in another order and forgets others is settled member by member."""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PEOPLE, REFUSED, UNMENTIONED = 500, 50, 25


@contextmanager
def answers_spoilt(simulator: Any, spoil: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Batch answers pass through `spoil`, as long as the block lasts."""
    handler = simulator.running.server.RequestHandlerClass
    before = handler.application

    def spoilt(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_batch = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].count("/") == 3
        if not is_batch:
            return list(before(environ, start_response))
        started: list[Any] = []
        answer = json.loads(b"".join(before(environ, lambda *told: started.append(told))))
        spoil(answer)
        body = json.dumps(answer).encode()
        status, headers = started[0][:2]
        start_response(
            status,
            [(name, value) for name, value in headers if name.lower() != "content-length"]
            + [("Content-Length", str(len(body)))],
        )
        return [body]

    handler.application = staticmethod(spoilt)
    try:
        yield
    finally:
        handler.application = staticmethod(before)


@pytest.mark.parametrize("seed", [1, 2])
def test_only_what_was_not_settled_is_sent_again(
    office: Any, simulator: Any, hash_of: Any, seed: int
) -> None:
    chance = random.Random(seed)
    office.crowd(PEOPLE)
    emails = [f"p{number}@house.test" for number in range(1, PEOPLE + 1)]
    refused = set(chance.sample(emails, REFUSED))
    audience = next(iter(simulator.running.world.audiences.values()))
    audience.forgotten |= {hash_of(email) for email in refused}
    hidden: set[str] = set()

    def spoil(answer: dict[str, Any]) -> None:
        chance.shuffle(answer["new_members"])
        chance.shuffle(answer["errors"])
        hidden.update(one["email_address"] for one in answer["new_members"][:UNMENTIONED])
        del answer["new_members"][:UNMENTIONED]

    with answers_spoilt(simulator, spoil):
        office.push()
    first = [note["email"] for entry in simulator.entries() for note in entry["notes"]]
    office.hurry()
    office.push()
    again = [note["email"] for entry in simulator.entries() for note in entry["notes"]][len(first) :]
    before = simulator.calls
    office.hurry()
    office.push()

    assert (PEOPLE, UNMENTIONED) == (len(first), len(hidden))
    assert hidden == set(again)
    assert before == simulator.calls
    members = {one.email: one.status for one in audience.members()}
    assert dict.fromkeys(set(emails) - refused, "subscribed") == members
    rows = office.execute("SELECT email_address, error ->> 'code' FROM members WHERE sync_state = 'failed'")
    assert dict.fromkeys(refused, "forgotten") == dict(rows)
    assert [(PEOPLE - REFUSED,)] == office.execute("SELECT count(*) FROM members WHERE status = 'subscribed'")
