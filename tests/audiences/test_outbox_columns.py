"""Columns as texts arrive in PostgreSQL as they were."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.columns import numbers_column, texts_column, texts_sql
from app.core.db import transaction


@pytest.mark.parametrize(
    "texts",
    [
        [""],
        [None],
        ["", None, ""],
        ["a,b", '{"c": "\\u001f"}', "'", "\\", "é\n"],
        ["Ada", *[None] * 3, "Eve"],
    ],
)
def test_texts_arrive_as_they_were(sessions: sessionmaker[Session], texts: list[str | None]) -> None:
    with transaction(sessions) as session:
        statement = text(f"SELECT {texts_sql('column')}")

        assert texts == session.execute(statement, {"column": texts_column(texts)}).scalar_one()


def test_a_separator_inside_a_text_moves_no_other_text(sessions: sessionmaker[Session]) -> None:
    with transaction(sessions) as session:
        statement = text(f"SELECT {texts_sql('column')}")
        found = session.execute(statement, {"column": texts_column(["a\x1fb\x1e", "c"])}).scalar_one()

    assert found == ["a b ", "c"]


@pytest.mark.parametrize("numbers", [[], [7], [1, 2, 3]])
def test_numbers_arrive_as_they_were(sessions: sessionmaker[Session], numbers: list[int]) -> None:
    with transaction(sessions) as session:
        statement = text("SELECT CAST(:column AS bigint[])")

        assert numbers == session.execute(statement, {"column": numbers_column(numbers)}).scalar_one()
