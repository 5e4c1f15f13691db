"""One bad piece never holds up its neighbours."""

import pytest
from sqlalchemy.exc import OperationalError

from app.inbox.isolate import isolate


class Poison(Exception):
    pass


@pytest.mark.parametrize("poisoned", [set(), {3}, {0, 499}, set(range(0, 500, 7))])
def test_only_what_fails_alone_is_given_up(poisoned):
    done, given_up = [], []

    def work(batch):
        if poisoned & set(batch):
            raise Poison
        done.extend(batch)

    isolate(range(500), work, lambda piece, error: given_up.append(piece))

    assert sorted(poisoned) == given_up
    assert sorted(set(range(500)) - poisoned) == sorted(done)


def test_a_passing_failure_of_the_database_blames_nobody():
    def work(batch):
        raise OperationalError("statement", {}, Exception("connection lost"))

    with pytest.raises(OperationalError):
        isolate([1, 2, 3], work, lambda piece, error: pytest.fail("nobody is to blame"))
