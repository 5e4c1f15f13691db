"""The embedded Valkey: started in the foreground on a private socket, append-only file on, checked before use."""

import signal
from pathlib import Path
from typing import Any

import redis

from app.core.binaries import Binaries
from app.core.errors import ConfigError, NotRunningError
from app.core.survivors import stop_serving

OLDEST_REDIS = (6, 2)
SOCKET_NAME = "valkey.sock"
STOP_SIGNALS = (signal.SIGTERM,)
OPTIONS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",  # the append-only file is enough; a fork for snapshots costs memory
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "loglevel": "warning",
}


def command(binaries: Binaries, data: Path, run_dir: Path) -> tuple[str, ...]:
    """The foreground server; the folder on its command line is how a later start recognises it."""
    options = {**OPTIONS, "dir": str(data), "unixsocket": str(run_dir / SOCKET_NAME), "set-proc-title": "no"}
    pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
    return (str(binaries.valkey), *pairs)


def clear_the_way(binaries: Binaries, data: Path, run_dir: Path) -> None:
    """Before a start: stop a server an earlier run left on these files, then remove its socket file."""
    stop_serving(binaries.valkey.name[:15], data, STOP_SIGNALS)  # the kernel keeps 15 characters of a name
    (run_dir / SOCKET_NAME).unlink(missing_ok=True)


def is_ready(url: str) -> bool:
    """True when it answers and has read its append-only file."""
    try:
        with _client(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _client(url: str) -> Any:
    return redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)


def check_redis(url: str) -> str:
    """Name and version of the server, after making sure that it is new enough. Raises as check_database does."""
    try:
        with _client(url) as client:
            answer: dict[str, Any] = client.info("server")
    except redis.RedisError as error:
        raise NotRunningError(
            f"The queue server does not answer: {error}", "Start Muster (`make up`), or check REDIS_URL."
        ) from error
    return accepted_version(answer)


def accepted_version(answer: dict[str, Any]) -> str:
    """`answer` is INFO server. Any Valkey will do; Redis from 6.2."""
    if valkey := answer.get("valkey_version"):
        return f"Valkey {valkey}"
    version = str(answer.get("redis_version", "0.0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        raise ConfigError(
            f"The queue server is Redis {version}; Muster needs Redis 6.2 or newer, or Valkey.",
            "Upgrade it, or let Muster start its own by leaving REDIS_URL empty.",
        )
    return f"Redis {version}"
