"""The catalogue in the memory of a web process."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.core.db import transaction
from app.core.secretbox import SecretBox
from app.sources.catalogue import Catalogue
from app.sources.configure import add_source, rotate_secret, set_enabled, update_settings
from app.sources.models import Source
from app.sources.snapshot import FILE_NAME, read_snapshot, write_snapshot


@pytest.fixture
def home(settings, tmp_path):
    return replace(settings, home=tmp_path, database_url=settings.postgres_url)


@pytest.fixture
def catalogue(home, sessions, box):
    catalogue = Catalogue(home, box)
    catalogue.open()
    yield catalogue
    catalogue.close()


def _eventually(is_true, seconds=5.0):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_source_added_a_moment_ago_is_found_after_asking(catalogue, sessions, box):
    assert catalogue.find("app") is None
    with transaction(sessions) as session:
        secret = add_source(session, box, "standard_webhooks", "app", {}).secret

    assert catalogue.ask_again().result(5) is True
    assert catalogue.find("app").config.secrets == {"secret": (secret,)}


def test_every_kind_of_change_arrives_by_itself(catalogue, sessions, box):
    with transaction(sessions) as session:
        old = add_source(session, box, "standard_webhooks", "app", {}).secret
    _eventually(lambda: catalogue.find("app"))
    with transaction(sessions) as session:
        new = rotate_secret(session, box, "app", grace_seconds=1.5).secret
    _eventually(lambda: catalogue.find("app").config.secrets["secret"] == (new, old))
    _eventually(lambda: catalogue.find("app").config.secrets["secret"] == (new,))
    with transaction(sessions) as session:
        update_settings(session, box, "app", {"max_body_bytes": "77"})
        set_enabled(session, "app", is_enabled=False)
    _eventually(lambda: catalogue.find("app").max_body_bytes == 77)
    assert not catalogue.find("app").is_enabled


def test_a_change_that_commits_after_a_later_one_is_not_missed(catalogue, sessions, box):
    with transaction(sessions) as session:
        add_source(session, box, "standard_webhooks", "one", {})
        add_source(session, box, "standard_webhooks", "two", {})
    with sessions() as slow:
        update_settings(slow, box, "one", {"trust": "1"})
        slow.execute(text("UPDATE sources SET max_body_bytes = 11 WHERE slug = 'one'"))
        # audit entries are chained, so a whole second change would wait for this one; a bare revision does not
        with transaction(sessions) as quick:
            quick.execute(
                text(
                    "UPDATE sources SET max_body_bytes = 22, revision = nextval('source_revisions') WHERE slug = 'two'"
                )
            )
        _eventually(lambda: (two := catalogue.find("two")) and two.max_body_bytes == 22)
        slow.commit()

    _eventually(lambda: catalogue.find("one").max_body_bytes == 11)


def test_sources_of_lists_have_no_hook(catalogue, sessions):
    with transaction(sessions) as session:
        session.add(Source(slug="alumni", integration="list"))

    assert catalogue.ask_again().result(5) is True
    assert catalogue.find("alumni") is None


def test_without_the_database_the_snapshot_is_served_and_nobody_is_told_that_a_source_is_unknown(
    catalogue, home, sessions, box, tmp_path
):
    with transaction(sessions) as session:
        add_source(session, box, "standard_webhooks", "app", {})
    catalogue.ask_again().result(5)
    known = catalogue.find("app")

    away = Catalogue(replace(home, database_url=f"postgresql:///muster?host={tmp_path}/nowhere"), box)
    away.open()
    try:
        assert away.find("app") == known
        assert away.ask_again().result(10) is False
    finally:
        away.close()


def test_a_secret_sealed_with_another_key_closes_its_source_only(home, sessions, box):
    stranger = SecretBox(("another key that is long enough to be one",))
    with transaction(sessions) as session:
        add_source(session, box, "standard_webhooks", "good", {})
        add_source(session, stranger, "standard_webhooks", "bad", {})
    catalogue = Catalogue(home, box)
    catalogue.open()
    try:
        assert catalogue.find("good").trouble == ""
        assert "another key" in catalogue.find("bad").trouble
    finally:
        catalogue.close()


def test_the_snapshot_is_sealed_and_an_unreadable_one_is_none(catalogue, sessions, box, tmp_path):
    with transaction(sessions) as session:
        secret = add_source(session, box, "standard_webhooks", "app", {}).secret
    catalogue.ask_again().result(5)
    path = tmp_path / FILE_NAME

    assert secret.encode() not in path.read_bytes()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    path.write_bytes(b"junk")
    assert read_snapshot(path, box) is None
    assert read_snapshot(tmp_path / "absent", box) is None


def test_a_disk_that_takes_no_snapshot_is_no_fault(box, tmp_path):
    write_snapshot(tmp_path / "no" / "such" / "folder", box, ())

    assert list(tmp_path.iterdir()) == []


def test_a_source_is_never_seen_without_its_secrets(catalogue, home, sessions, box):
    seen = []
    for number in range(15):
        with transaction(sessions) as session:
            add_source(session, box, "standard_webhooks", f"app{number}", {})
        while (found := catalogue.find(f"app{number}")) is None:
            catalogue.ask_again()
            time.sleep(0.001)
        seen.append(found.config.secrets.get("secret", ()))

    assert all(len(secrets) == 1 for secrets in seen)
