"""Integrations are found by their folders."""

from pathlib import Path

import pytest

import integrations
from integrations.kit.registry import UnknownIntegration, get_source, list_integrations

FOLDERS = sorted(path.parent.name for path in Path(integrations.__path__[0]).glob("*/source.py"))


def test_the_list_is_the_folders_with_a_source() -> None:
    assert list(list_integrations()) == FOLDERS
    assert {"mailchimp", "meta_leads", "standard_webhooks", "website"} <= set(FOLDERS)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_source_has_the_name_of_its_folder_and_is_made_once(name: str) -> None:
    assert name == get_source(name).name
    assert get_source(name) is get_source(name)


@pytest.mark.parametrize(
    "name", ["kit", "nowhere", "", "../website", "website.source", "mailchimp.simulator"]
)
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownIntegration, match="Known ones: " + ", ".join(FOLDERS)):
        get_source(name)
