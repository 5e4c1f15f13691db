"""Settings: read once, refused with a sentence."""

from pathlib import Path

import pytest

from app.core.config import load_settings, runtime_dir
from app.core.errors import ConfigError


def test_the_defaults_need_no_setting(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("MUSTER_HOME", "PORT", "DATABASE_URL", "REDIS_URL", "MAILCHIMP_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    settings = load_settings()

    assert settings.home == tmp_path / "var"
    assert settings.public_url == "http://127.0.0.1:8080"
    assert (settings.is_embedded_database, settings.is_embedded_redis, settings.is_simulated) == (
        True,
        True,
        True,
    )


def test_every_process_of_a_home_finds_the_same_sockets(monkeypatch, tmp_path):
    without = runtime_dir(tmp_path)

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    assert runtime_dir(tmp_path) == without


def test_a_very_deep_home_still_has_a_short_socket_path(monkeypatch):
    monkeypatch.setenv("MUSTER_HOME", "/tmp/" + "deep/" * 60)

    settings = load_settings()

    assert len(f"{settings.run_dir}/.s.PGSQL.5432") <= 107


def test_a_socket_directory_too_long_for_a_socket_is_refused(monkeypatch):
    monkeypatch.setenv("MUSTER_RUN_DIR", "/tmp/" + "x" * 100)

    with pytest.raises(ConfigError, match="too long for a unix socket"):
        load_settings()


def test_the_longest_socket_directory_is_accepted(monkeypatch):
    longest = Path("/tmp/" + "x" * (107 - len("/tmp/") - len("/.s.PGSQL.5432")))
    monkeypatch.setenv("MUSTER_RUN_DIR", str(longest))

    assert load_settings().run_dir == longest


@pytest.mark.parametrize("key", ["tiny", "k" * 40 + ",tiny", "k" * 31])
def test_a_short_secret_key_is_refused_without_being_shown(monkeypatch, key):
    monkeypatch.setenv("MUSTER_SECRET_KEY", key)

    with pytest.raises(ConfigError) as caught:
        load_settings()

    assert "shorter than 32" in str(caught.value)
    assert key not in str(caught.value)


def test_a_port_that_is_no_number_is_named(monkeypatch):
    monkeypatch.setenv("PORT", "eighty")

    with pytest.raises(ConfigError, match="PORT"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://someone:hush@db.example/muster"),
        ("DATABASE_URL", "postgresql://someone:hush@db.example:port/muster"),
        ("REDIS_URL", "foo"),
        ("REDIS_URL", "redis://:hush@queue.example:port/0"),
        ("REDIS_URL", "unix://"),
        ("PORT", "0"),
        ("PORT", "99999"),
        ("MUSTER_SIM_PORT", "-1"),
        ("MUSTER_WEB_PROCESSES", "0"),
        ("MUSTER_WORKER_PROCESSES", "-1"),
        ("MUSTER_LOG_FORMAT", "bogus"),
        ("MUSTER_PUBLIC_URL", "crm.example"),
        ("MUSTER_PUBLIC_URL", "ftp://crm.example"),
        ("MUSTER_PUBLIC_URL", "https://"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_value(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=name) as caught:
        load_settings()

    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://someone@db.example/muster"),
        ("DATABASE_URL", "postgresql://muster@/muster?host=/run/muster"),
        ("REDIS_URL", "rediss://:hush@queue.example:6379/0"),
        ("REDIS_URL", "unix:///run/valkey.sock"),
        ("PORT", "65535"),
        ("MUSTER_WORKER_PROCESSES", "0"),
        ("MUSTER_LOG_FORMAT", "text"),
        ("MUSTER_PUBLIC_URL", "http://[::1]:8080/"),
    ],
)
def test_what_can_be_used_is_taken(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    assert load_settings()


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty current directory; what a .env there puts into the environment is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOST", "MUSTER_LOG_FORMAT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def test_a_file_beside_us_says_what_the_environment_does_not(monkeypatch, folder):
    (folder / ".env").write_text("HOST=0.0.0.0\nMUSTER_LOG_FORMAT=text\n")
    monkeypatch.setenv("HOST", "127.0.0.2")

    settings = load_settings()

    assert (settings.host, settings.log_format) == ("127.0.0.2", "text")


def test_a_file_in_a_directory_above_is_not_read(monkeypatch, folder):
    (folder / ".env").write_text("MUSTER_LOG_FORMAT=text\n")
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")

    assert load_settings().log_format == "json"


def test_a_file_that_is_no_text_is_refused(folder):
    (folder / ".env").write_bytes(b"HOST=\xff\xfe")

    with pytest.raises(ConfigError, match=r"\.env"):
        load_settings()


def test_a_folder_of_that_name_is_left_alone(folder):
    (folder / ".env").mkdir()

    assert load_settings().log_format == "json"
