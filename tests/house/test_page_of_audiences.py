"""What docs/audiences.md shows is also meant: its settings and entry rules are taken, and every setting is named there."""

import json
import re
import shlex
from pathlib import Path

import pytest

from app.audiences.entry import check_entry_rule
from app.audiences.models import Audience
from app.audiences.outward import DIRECTIONS
from app.audiences.settings import CHECKS, ON_LEAVE, ON_RETURN, PLAIN, check_settings
from app.cli.audience_settings import READERS, read_wishes
from app.cli.kit import parse_pairs

PAGE = (Path(__file__).parents[2] / "docs/audiences.md").read_text()
SCHEMA = {
    "merge_fields": {
        tag: {"type": kind}
        for tag, kind in {
            "FNAME": "text", "LNAME": "text", "PHONE": "phone", "ADDRESS": "address", "MUSTERID": "number",
        }.items()
    },
    "interests": {"a1b2c3d4e5": {}, "b2c3d4e5f6": {}},
}  # fmt: skip


def settings_shown() -> list[list[str]]:
    """The `key=value` words of every `audiences set` of the page."""
    lines = re.findall(r"^muster audiences set newsletter (.*)$", PAGE, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_every_setting_that_the_page_shows_is_taken():
    shown = settings_shown()

    assert len(shown) >= 12
    for pairs in shown:
        row = Audience(merge_fields={}, interests={}, marketing_permissions={}, entry_rule={}, tags=[])
        wishes = read_wishes(row, parse_pairs(pairs, "set"))

        check_settings({name: value for name, value in wishes.items() if name in CHECKS}, SCHEMA)


def test_every_entry_rule_that_the_page_shows_is_taken():
    (rules,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)

    assert len(rules.splitlines()) >= 6
    for line in rules.splitlines():
        check_entry_rule(json.loads(line))


def test_every_setting_and_choice_is_on_the_page():
    words = (*CHECKS, *PLAIN, *ON_LEAVE, *ON_RETURN, *DIRECTIONS)

    assert [] == [word for word in words if word not in PAGE]


def test_whatever_can_be_set_can_be_set_from_the_command_line():
    assert {*CHECKS, *PLAIN} == set(READERS)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", PAGE))
def test_every_page_that_it_points_to_is_there(link):
    assert (Path(__file__).parents[2] / "docs" / link).exists()
