"""Settings: environment variables read once, checked, frozen."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from environs import Env, EnvError

from app.core.errors import ConfigError

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
    sim_port: int
    web_processes: int
    worker_processes: int
    is_proxied: bool  # trust X-Forwarded-* of one proxy in front
    log_format: str
    default_region: str  # for phone numbers without a country

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
    """Read the environment. ConfigError names the variable and what is wrong with it."""
    env = Env()
    try:
        home = Path(env.str("MUSTER_HOME", "./var")).absolute()
        port = env.int("PORT", 8080)
        host = env.str("HOST", "127.0.0.1")
        settings = Settings(
            home=home,
            run_dir=Path(run_dir).absolute()
            if (run_dir := env.str("MUSTER_RUN_DIR", ""))
            else runtime_dir(home),
            database_url=env.str("DATABASE_URL", ""),
            redis_url=env.str("REDIS_URL", ""),
            host=host,
            port=port,
            public_url=env.str("MUSTER_PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/"),
            secret_key=env.str("MUSTER_SECRET_KEY", ""),
            mailchimp_api_key=env.str("MAILCHIMP_API_KEY", ""),
            mailchimp_base_url=env.str("MAILCHIMP_BASE_URL", ""),
            sim_port=env.int("MUSTER_SIM_PORT", port + 1),
            web_processes=env.int("MUSTER_WEB_PROCESSES", 2),
            worker_processes=env.int("MUSTER_WORKER_PROCESSES", 2),
            is_proxied=env.bool("MUSTER_PROXIED", False),
            log_format=env.str("MUSTER_LOG_FORMAT", "json"),
            default_region=env.str("MUSTER_DEFAULT_REGION", "US"),
        )
    except EnvError as error:
        raise ConfigError(
            f"A setting is not usable: {error}", "docs/operations.md lists every setting."
        ) from error
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
    return settings
