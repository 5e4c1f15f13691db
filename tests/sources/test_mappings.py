"""Mapping versions: published, refused, rolled back."""

import pytest

from app.core.errors import ConflictError, InvalidError, NotFoundError
from app.sources.configure import add_source
from app.sources.mappings import (
    compiled_mapping,
    get_version,
    list_versions,
    mapping_in_force,
    publish_mapping,
    roll_back,
)
from app.sources.models import Source
from mappings.language.presets import find_preset


@pytest.fixture
def document():
    return find_preset("website").text


@pytest.fixture
def source_id(session, box):
    add_source(session, box, "website", "form", {})
    return 1


def test_a_published_document_is_in_force_from_now_on(session, source_id, document):
    version = publish_mapping(
        session, source_id, document + "\n# second\n", note="mine", author="ada", based_on=1
    )

    assert (version.number, version.is_in_force, version.note, version.author) == (2, True, "mine", "ada")
    assert mapping_in_force(session, source_id).number == 2
    assert [(each.number, each.is_in_force) for each in list_versions(session, source_id)] == [
        (2, True),
        (1, False),
    ]


def test_a_document_that_does_not_load_is_refused_with_its_problems(session, source_id):
    with pytest.raises(InvalidError) as caught:
        publish_mapping(session, source_id, "muster: 1\nfields:\n  - to: nothing_like_it\n    from: a\n")

    assert caught.value.problems
    assert [each.number for each in list_versions(session, source_id)] == [1]


def test_somebody_elses_version_is_not_overwritten(session, source_id, document):
    publish_mapping(session, source_id, document, based_on=1)

    with pytest.raises(ConflictError, match="version 2"):
        publish_mapping(session, source_id, document, based_on=1)


def test_a_roll_back_is_a_new_version_with_the_old_document(session, source_id, document):
    publish_mapping(session, source_id, document + "\n# second\n")

    rolled = roll_back(session, source_id, 1, "ada")

    assert (rolled.number, rolled.document) == (3, get_version(session, source_id, 1).document)
    assert mapping_in_force(session, source_id).version_id == rolled.id
    with pytest.raises(NotFoundError):
        roll_back(session, source_id, 99, "ada")


def test_a_version_is_compiled_once(session, source_id):
    in_force = mapping_in_force(session, source_id)

    assert compiled_mapping(session, in_force.version_id) is in_force.compiled
    with pytest.raises(NotFoundError):
        compiled_mapping(session, 999)


def test_a_source_without_a_mapping_says_so(session):
    session.add(Source(slug="bare", integration="website"))
    session.flush()

    with pytest.raises(NotFoundError, match="no mapping"):
        mapping_in_force(session, 1)
