"""As whom the servers run, and which folders they accept."""

import os
import pwd
from pathlib import Path

import pytest

from app.core import privileges
from app.core.errors import ConfigError
from app.core.privileges import Account, can_enter, private_directory, service_account

US = Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid())
STRANGER = Account("stranger", 54321, 54321)
UNNAMED_UID = 54321


@pytest.fixture
def as_uid(monkeypatch):
    return lambda uid: monkeypatch.setattr(privileges.os, "geteuid", lambda: uid)


def test_root_hands_the_servers_to_an_unprivileged_account(as_uid):
    as_uid(0)

    account = service_account(None)

    assert account.name in {"muster", "nobody"}
    assert account.uid != 0


def test_root_keeps_the_owner_of_data_that_exists(as_uid):
    as_uid(0)
    daemon = pwd.getpwnam("daemon")

    account = service_account(daemon.pw_uid)

    assert account == Account("daemon", daemon.pw_uid, daemon.pw_gid)


def test_a_normal_user_runs_the_servers_itself(as_uid):
    daemon = pwd.getpwnam("daemon")
    as_uid(daemon.pw_uid)

    account = service_account(None)

    assert account == Account("daemon", daemon.pw_uid, daemon.pw_gid)


def test_a_uid_without_a_name_gets_one_clear_sentence(as_uid):
    as_uid(UNNAMED_UID)

    with pytest.raises(ConfigError) as caught:
        service_account(None)

    assert str(caught.value) == (
        "User id 54321 has no entry in the password file, so PostgreSQL refuses to start."
    )
    assert "DATABASE_URL" in caught.value.hint


def test_data_of_somebody_else_is_refused_by_name(as_uid):
    as_uid(pwd.getpwnam("daemon").pw_uid)

    with pytest.raises(ConfigError, match="belong to root, and Muster runs as daemon"):
        service_account(0)


def test_a_machine_without_any_account_gets_one_clear_sentence(as_uid, monkeypatch):
    as_uid(0)
    monkeypatch.setattr(privileges, "PREFERRED_ACCOUNTS", ("no-such-account",))

    with pytest.raises(ConfigError, match="PostgreSQL refuses to run as root"):
        service_account(None)


def test_a_new_private_directory_is_0700_and_ours(tmp_path):
    made = private_directory(tmp_path / "run", US)

    assert oct(made.stat().st_mode & 0o777) == "0o700"
    assert made.stat().st_uid == os.geteuid()


def test_an_open_directory_of_ours_is_closed(tmp_path):
    path = tmp_path / "run"
    path.mkdir(mode=0o755)

    private_directory(path, US)

    assert oct(path.stat().st_mode & 0o777) == "0o700"


def test_a_symbolic_link_in_place_of_a_directory_is_refused(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    link = tmp_path / "run"
    link.symlink_to(target)

    with pytest.raises(ConfigError, match="is not a folder but a link"):
        private_directory(link, US)


def test_a_link_that_leads_nowhere_is_refused_as_well(tmp_path):
    link = tmp_path / "run"
    link.symlink_to(tmp_path / "nowhere")

    with pytest.raises(ConfigError, match="is not a folder but a link"):
        private_directory(link, US)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a folder of somebody else")
def test_a_directory_of_a_stranger_is_refused(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    os.chown(path, STRANGER.uid, STRANGER.gid)

    with pytest.raises(ConfigError, match="belongs to user id 54321"):
        private_directory(path, US)


def test_a_closed_parent_keeps_another_account_out(tmp_path):
    closed = tmp_path / "closed"
    inner = closed / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    closed.chmod(0o700)

    assert not can_enter(STRANGER, inner)


def test_open_folders_let_any_account_through():
    assert can_enter(STRANGER, Path("/usr/lib"))


def test_servers_inherit_neither_groups_nor_environment():
    arguments, environment = STRANGER.popen_arguments(), STRANGER.environment()

    assert arguments == {"user": 54321, "group": 54321, "extra_groups": [], "umask": 0o077}
    assert set(environment) == {"PATH", "HOME", "USER", "LC_ALL", "TZ"}
