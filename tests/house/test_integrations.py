"""Every integration is whole: a preset, fixtures, a README with a date; and where a delivery may be lost, a way to notice."""

import re
from pathlib import Path

import pytest

from integrations.kit.base import BaseSource
from integrations.kit.registry import get_source, list_integrations

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT / "integrations"
DATE = re.compile(r"Checked:? (20\d\d-\d\d-\d\d)\b")
NAMES = sorted(list_integrations())


@pytest.mark.parametrize("name", NAMES)
def test_an_integration_has_a_preset_and_fixtures(name):
    fixtures = FOLDERS / name / "fixtures"
    cases = {path.name.removesuffix(".given.json") for path in fixtures.glob("*.given.json")}
    answers = {path.name.removesuffix(".expect.json") for path in fixtures.glob("*.expect.json")}

    assert (ROOT / "mappings/presets" / f"{name}.yaml").exists()
    assert cases
    assert cases == answers


@pytest.mark.parametrize("name", NAMES)
def test_an_integration_says_how_to_set_it_up_and_when_that_was_checked(name):
    readme = (FOLDERS / name / "README.md").read_text()

    assert f"muster sources add {name} " in readme
    assert DATE.search(readme)


@pytest.mark.parametrize("name", NAMES)
def test_where_a_delivery_may_be_lost_it_is_noticed_and_read_again_or_the_readme_says_why_not(name):
    source = get_source(name)
    readme = (FOLDERS / name / "README.md").read_text()

    if source.is_thin:
        assert type(source).health is not BaseSource.health
        assert source.can_backfill or re.search(r"(?i)no back-?fill: \w+", readme)
    if source.can_backfill:
        assert type(source).backfill is not BaseSource.backfill


LISTED = re.findall(
    r"^\| \[(\w+)\]\(\1/README\.md\)",
    (FOLDERS / "README.md").read_text().split("## The contract")[0],
    re.MULTILINE,
)


def test_the_list_names_integrations_that_exist_each_once():
    """A new one need not stand there: it touches its folder and its preset, nothing else."""
    assert set(LISTED) <= set(NAMES)
    assert len(LISTED) == len(set(LISTED)) >= 22


@pytest.mark.parametrize("name", LISTED)
def test_the_list_says_how_each_is_looked_after(name):
    source = get_source(name)
    looked_after = {
        "health": type(source).health is not BaseSource.health,
        "back-fill": source.can_backfill,
        "OAuth": source.oauth is not None,
    }
    (row,) = re.findall(rf"^\| \[{name}\]\(.*\|([^|]*)\|$", (FOLDERS / "README.md").read_text(), re.MULTILINE)

    assert row.strip() == ", ".join(word for word, is_so in looked_after.items() if is_so)
