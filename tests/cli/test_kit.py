"""Tables on a terminal and for programs: no word of them is ever broken."""

import pytest

from app.cli.kit import fit_columns, print_table

COLUMNS = ("run_id", "audience", "state", "started_at", "mail")
ROW = (12, "newsletter", "running (pause asked)", "2026-11-22 22:18:21", "ana.maria.lopez@mail.example")


def test_a_table_for_programs_has_one_line_a_row_however_long(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")

    print_table(COLUMNS, [ROW, ROW])

    lines = capsys.readouterr().out.splitlines()
    assert 3 == len(lines)
    assert [] == [cell for cell in ROW if str(cell) not in lines[1]]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_on_a_terminal_breaks_between_words_only(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")

    print_table(COLUMNS, [ROW])

    said = capsys.readouterr().out
    assert [] == [word for cell in ROW for word in str(cell).split() if word not in said]
    assert (width == 200) == (len(said.splitlines()) == 2)


@pytest.mark.parametrize(
    ("room", "expected"),
    [(None, [10, 21, 3]), (38, [10, 21, 3]), (37, [10, 20, 3]), (20, [10, 7, 3])],
)
def test_the_widest_columns_give_way_first_and_none_below_its_longest_word(room, expected):
    rows = [("audience", "state", "n"), ("newsletter", "running (pause asked)", "123")]

    assert expected == fit_columns(rows, room)
