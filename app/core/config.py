"""Settings: environment variables read once, checked, frozen."""

import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.core.errors import ConfigError

ENV_FILE = ".env"
DATABASE_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
REDIS_SCHEMES = frozenset({"redis", "rediss", "unix"})
LOG_FORMATS = ("json", "text")
HIGHEST_PORT = 65_535
MOST_PROCESSES = 64
SOCKET_PATH_LIMIT = 107  # sun_path of Linux less its closing NUL; PostgreSQL refuses longer ones
SHORTEST_SECRET_KEY = 32  # characters


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured. docs/operations.md documents each; a house test compares."""

    home: Path  # MUSTER_HOME: data of the embedded servers, the key file
    run_dir: Path  # private sockets of the embedded servers, short enough for sun_path
    database_url: str  # "" = embedded PostgreSQL
    redis_url: str  # "" = embedded Valkey
    host: str
    port: int
    public_url: str  # how platforms and people reach this Muster
    secret_key: str  # "" = read from, or made in, home/secret.key
    mailchimp_api_key: str  # "" = the local simulator
    mailchimp_base_url: str
    mailchimp_client_id: str  # of the app registered with Mailchimp, for signing in by OAuth
    mailchimp_client_secret: str
    mailchimp_login_url: str
    sim_port: int
    web_processes: int
    worker_processes: int
    is_proxied: bool  # trust X-Forwarded-* of one proxy in front
    log_format: str

    @property
    def is_embedded_database(self) -> bool:
        return not self.database_url

    @property
    def is_embedded_redis(self) -> bool:
        return not self.redis_url

    @property
    def is_simulated(self) -> bool:
        return not self.mailchimp_api_key

    @property
    def postgres_url(self) -> str:
        """A libpq URL: the configured server, or the embedded one's socket."""
        return self.database_url or f"postgresql://muster@/muster?host={self.run_dir}"

    @property
    def valkey_url(self) -> str:
        """A redis-py URL: the configured server, or the embedded one's socket."""
        return self.redis_url or f"unix://{self.run_dir}/valkey.sock"

    @property
    def simulator_url(self) -> str:
        """Where the local Mailchimp listens; paths start with /3.0."""
        return f"http://127.0.0.1:{self.sim_port}/3.0"


def runtime_dir(home: Path) -> Path:
    """A short private directory for sockets, the same for every process that uses this home.

    XDG_RUNTIME_DIR is not asked: a shell has it, a service or a cron job of the same user does not, and both must
    find the same sockets. Root looks where the owner of the home looks.
    """
    mark = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    euid = os.geteuid()
    owner = home.stat().st_uid if euid == 0 and home.exists() else euid
    return Path("/tmp") / f"muster-{owner}-{mark}"  # noqa: S108 - 0700, owner checked at use


def load_settings() -> Settings:
    """Read the environment, and a .env beside the current directory for what it leaves open.

    ConfigError names the variable and what is wrong with it, never its value.
    """
    env = Env()
    try:
        beside = Path.cwd() / ENV_FILE
        if beside.is_file():  # some call a virtual environment's folder so
            env.read_env(beside, recurse=False)
        settings = _read(env)
    except EnvError as error:
        raise ConfigError(
            f"A setting is not usable: {error}", "docs/operations.md lists every setting."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file {Path(ENV_FILE).absolute()} cannot be read ({type(error).__name__}).",
            "Write it as UTF-8 text of lines NAME=value, readable to this account, or remove it.",
        ) from error
    for name, sentence in _list_faults(settings):
        raise ConfigError(f"{name} is not usable: {sentence}", "docs/operations.md lists every setting.")
    _check_lengths(settings)
    return settings


def _read(env: Env) -> Settings:
    home = Path(env.str("MUSTER_HOME", "./var")).absolute()
    run_dir = env.str("MUSTER_RUN_DIR", "")
    port = env.int("PORT", 8080)
    return Settings(
        home=home,
        run_dir=Path(run_dir).absolute() if run_dir else runtime_dir(home),
        database_url=env.str("DATABASE_URL", ""),
        redis_url=env.str("REDIS_URL", ""),
        host=env.str("HOST", "127.0.0.1"),
        port=port,
        public_url=env.str("MUSTER_PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/"),
        secret_key=env.str("MUSTER_SECRET_KEY", ""),
        mailchimp_api_key=env.str("MAILCHIMP_API_KEY", ""),
        mailchimp_base_url=env.str("MAILCHIMP_BASE_URL", ""),
        mailchimp_client_id=env.str("MAILCHIMP_CLIENT_ID", ""),
        mailchimp_client_secret=env.str("MAILCHIMP_CLIENT_SECRET", ""),
        mailchimp_login_url=env.str("MAILCHIMP_LOGIN_URL", "https://login.mailchimp.com").rstrip("/"),
        sim_port=env.int("MUSTER_SIM_PORT", port + 1 if port != HIGHEST_PORT else port - 1),
        web_processes=env.int("MUSTER_WEB_PROCESSES", 2),
        worker_processes=env.int("MUSTER_WORKER_PROCESSES", 2),
        is_proxied=env.bool("MUSTER_PROXIED", False),
        log_format=env.str("MUSTER_LOG_FORMAT", "json"),
    )


def _list_faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """(variable, sentence) of each setting that can be read but not used. No sentence repeats a value: some are secret."""
    numbers = (
        ("PORT", settings.port, 1, HIGHEST_PORT),
        ("MUSTER_SIM_PORT", settings.sim_port, 1, HIGHEST_PORT),
        ("MUSTER_WEB_PROCESSES", settings.web_processes, 1, MOST_PROCESSES),
        ("MUSTER_WORKER_PROCESSES", settings.worker_processes, 0, MOST_PROCESSES),
    )
    for name, number, least, most in numbers:
        if not least <= number <= most:
            yield name, f"it is a number from {least} to {most}."
    if settings.database_url and not _is_database_url(settings.database_url):
        yield "DATABASE_URL", "write it like postgresql://user:password@host/database."
    if settings.redis_url and not _is_url(settings.redis_url, REDIS_SCHEMES):
        yield "REDIS_URL", "write it like redis://:password@host:6379/0."
    if not _is_url(settings.public_url, {"http", "https"}):
        yield "MUSTER_PUBLIC_URL", "write the whole address, starting with https:// or http://."
    if not _is_login_url(settings.mailchimp_login_url):
        yield "MAILCHIMP_LOGIN_URL", "it starts with https:// (or http:// on this machine, for a simulator)."
    if settings.log_format not in LOG_FORMATS:
        yield "MUSTER_LOG_FORMAT", f"it is one of {', '.join(LOG_FORMATS)}."


def _is_database_url(url: str) -> bool:
    try:
        make_url(url)
    except (ArgumentError, ValueError):
        return False
    return url.startswith(DATABASE_SCHEMES)


def _is_url(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        return False
    place = parts.path if parts.scheme == "unix" else parts.hostname
    return parts.scheme in schemes and bool(place)


def _is_login_url(url: str) -> bool:
    """Secrets go there, so not unencrypted to another machine."""
    is_local = (
        urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"} if _is_url(url, {"http"}) else False
    )
    return is_local or _is_url(url, {"https"})


def _check_lengths(settings: Settings) -> None:
    if len(f"{settings.run_dir}/.s.PGSQL.5432") > SOCKET_PATH_LIMIT:
        raise ConfigError(
            f"The socket directory {settings.run_dir} is too long for a unix socket.",
            "Set MUSTER_RUN_DIR to a short one.",
        )
    if settings.secret_key and min(map(len, settings.secret_key.split(","))) < SHORTEST_SECRET_KEY:
        raise ConfigError(
            f"A key in MUSTER_SECRET_KEY is shorter than {SHORTEST_SECRET_KEY} characters.",
            "Make one: openssl rand -base64 32. Several are separated by commas, the newest first.",
        )
