"""Servers that are too old or forgetful are refused with a sentence."""

import pytest
from sqlalchemy import text

from app.core.db import make_engine
from app.core.errors import ConfigError, NotRunningError
from app.core.postgres import check_database, refuse_forgetful, refuse_old
from app.core.valkey import accepted_version, check_redis

DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@pytest.mark.parametrize(("number", "version"), [(140020, "14.20"), (90624, "9.6.24")])
def test_an_old_database_is_refused_with_its_version(number, version):
    with pytest.raises(ConfigError, match=f"PostgreSQL {version}; Muster needs 15 or newer"):
        refuse_old(number, version)


@pytest.mark.parametrize("number", [150000, 150018, 180004, 190000])
def test_version_15_and_newer_are_accepted(number):
    refuse_old(number, "any")


@pytest.mark.parametrize("name", list(DURABLE))
def test_each_forgetful_setting_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=f"runs with {name} = off"):
        refuse_forgetful({**DURABLE, name: "off"})


@pytest.mark.parametrize("value", ["on", "local", "remote_write", "remote_apply"])
def test_every_other_way_to_commit_is_accepted(value):
    refuse_forgetful({**DURABLE, "synchronous_commit": value})


@pytest.mark.parametrize("owner", ["ROLE muster", "DATABASE muster"])
def test_a_setting_of_the_role_or_the_database_is_found_too(settings, owner):
    engine = make_engine(settings.postgres_url)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER {owner} SET synchronous_commit = off"))
    engine.dispose()

    try:
        with pytest.raises(ConfigError, match="synchronous_commit = off"):
            check_database(engine)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER {owner} RESET synchronous_commit"))
        engine.dispose()


def test_the_embedded_database_keeps_what_it_confirms(engine):
    version = check_database(engine)

    with engine.connect() as connection:
        checksums = connection.execute(text("SHOW data_checksums")).scalar_one()
        listens = connection.execute(text("SHOW listen_addresses")).scalar_one()
        lowered = connection.execute(text("SELECT lower('ÄÉŁ')")).scalar_one()
    assert version.startswith("18.")
    assert (checksums, listens, lowered) == ("on", "", "äéł")


def test_a_database_that_does_not_answer_is_one_sentence(tmp_path):
    engine = make_engine(f"postgresql://muster@/muster?host={tmp_path}")

    with pytest.raises(NotRunningError) as caught:
        check_database(engine)

    assert str(caught.value).startswith("The database does not answer: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"redis_version": "6.2.14"}, "Redis 6.2.14"),
        ({"redis_version": "8.0.0"}, "Redis 8.0.0"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "Valkey 9.1.2"),
    ],
)
def test_new_enough_queue_servers_are_accepted(answer, expected):
    assert accepted_version(answer) == expected


@pytest.mark.parametrize("version", ["6.0.16", "5.0.7", "2.8.4"])
def test_an_old_redis_is_refused_with_its_version(version):
    with pytest.raises(ConfigError, match=f"Redis {version}; Muster needs Redis 6.2"):
        accepted_version({"redis_version": version})


def test_the_embedded_queue_server_keeps_an_append_only_file(redis_url):
    assert check_redis(redis_url).startswith("Valkey ")


def test_a_queue_server_that_does_not_answer_is_one_sentence(tmp_path):
    with pytest.raises(NotRunningError, match="The queue server does not answer"):
        check_redis(f"unix://{tmp_path}/none.sock")
