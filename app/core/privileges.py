"""Accounts: as whom the embedded servers run, and what that account can reach."""

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import ConfigError

PREFERRED_ACCOUNTS = ("muster", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system account that server processes belong to."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """True when this process already runs as it, so that nothing needs to be dropped or given away."""
        return self.uid == os.geteuid()

    def popen_arguments(self) -> dict[str, Any]:
        """What subprocess needs to start a child as this account and nothing more: no groups, no open modes."""
        if self.is_ours:
            return {"umask": 0o077}
        return {"user": self.uid, "group": self.gid, "extra_groups": [], "umask": 0o077}

    def environment(self) -> dict[str, str]:
        """A small, clean environment: servers inherit neither our secrets nor the shell's locale."""
        return {"PATH": os.defpath, "HOME": "/", "USER": self.name, "LC_ALL": "C", "TZ": "UTC"}


def service_account(data_owner_uid: int | None) -> Account:
    """Whom the servers run as. Data that exists decides; else we ourselves; as root an unprivileged account.

    ConfigError when PostgreSQL would refuse: a uid without a name, or data of somebody else.
    """
    euid = os.geteuid()
    if euid != 0:
        if data_owner_uid not in (None, euid):
            raise ConfigError(
                f"The database files belong to {_name_of(data_owner_uid)}, and Muster runs as {_name_of(euid)}.",
                "Run Muster as the owner of its files, or set MUSTER_HOME to a folder of your own.",
            )
        return _account_of(euid)
    if data_owner_uid:
        return _account_of(data_owner_uid)
    for name in PREFERRED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ConfigError(
        "PostgreSQL refuses to run as root, and this machine has neither an account 'muster' nor 'nobody'.",
        "Add one (useradd --system muster), or run Muster as a normal user.",
    )


def _account_of(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ConfigError(
            f"User id {uid} has no entry in the password file, so PostgreSQL refuses to start.",
            "Run Muster as an account that `id` shows with a name, or set DATABASE_URL and REDIS_URL.",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _name_of(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid if uid is not None else -1).pw_name
    except KeyError:
        return f"user id {uid}"


def can_run(account: Account, program: Path) -> bool:
    """True when the account can start the program: reaches it, its libraries, and the file system allows it."""
    try:
        finished = subprocess.run(  # noqa: S603 - our own binary, no shell
            [program, "--version"],
            **account.popen_arguments(),
            env=account.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return finished.returncode == 0


def can_enter(account: Account, directory: Path) -> bool:
    """True when the account may pass through the directory and all above it (mode bits; as root always tried so)."""
    resolved = directory.resolve()
    return all(_may_pass(account, step) for step in (resolved, *resolved.parents))


def _may_pass(account: Account, directory: Path) -> bool:
    status = directory.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def private_directory(path: Path, account: Account) -> Path:
    """Make, or accept, a 0700 directory of the account. Symbolic links and foreign owners are refused."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        _check_private(path, account)
    except OSError as error:
        raise ConfigError(
            f"The folder {path} cannot be made: {error.strerror}.",
            "Check its parent folder, or set MUSTER_HOME.",
        ) from error
    if not account.is_ours:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    path.chmod(0o700)
    return path


def _check_private(path: Path, account: Account) -> None:
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigError(
            f"{path} is not a folder but a link or a file.", "Look who put it there, and remove it."
        )
    if status.st_uid not in (account.uid, os.geteuid()):
        raise ConfigError(
            f"The folder {path} belongs to {_name_of(status.st_uid)}, not to {account.name}.",
            "Look who put it there, and remove it; Muster uses private folders only.",
        )
