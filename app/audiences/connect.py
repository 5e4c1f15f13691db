"""Connections to destinations: one gateway per account and process, opened when first used."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.audiences.models import Destination
from app.audiences.slots import SharedSlots
from app.core.secretbox import SecretBox
from integrations.mailchimp.gateway import Gateway
from integrations.mailchimp.oauth import API_HOST
from integrations.mailchimp.slots import ConnectionSlots
from integrations.mailchimp.transport import LOOPBACK_HOSTS, Call, Login

CALL_SECONDS = 10.0
BULK_SECONDS = 60.0  # 500 members in one synchronous call take Mailchimp a while


def binding(slug: str) -> str:
    """What a destination's sealed key is bound to."""
    return f"destination:{slug}"


def account_name(destination: Destination, account_id: str = "") -> str:
    """What tells an account from all others; "" while nobody read whose it is (or was told, by `account_id`).

    Simulators all give the same id, so those of this machine are told apart by their address too.
    """
    known = account_id or (destination.account or {}).get("account_id") or ""
    parts = urlsplit(destination.base_url)
    return f"{known} {parts.netloc}" if known and parts.hostname in LOOPBACK_HOSTS else str(known)


def centre_of(base_url: str) -> str:
    """The data centre in the address of an account's API; "" where it names none."""
    host = urlsplit(base_url).hostname or ""
    return host.removesuffix(f".{API_HOST}") if host.endswith(f".{API_HOST}") else ""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that a whole call may take."""

    single: float = CALL_SECONDS
    bulk: float = BULK_SECONDS


class Connections:
    """Gateways of this process. Safe to share by threads; not across a fork."""

    def __init__(
        self,
        box: SecretBox,
        redis_url: str,
        *,
        deadlines: Deadlines | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self.box, self._redis_url, self._on_call = box, redis_url, on_call
        self._deadlines = deadlines or Deadlines()
        self._open: dict[int, tuple[tuple[Any, ...], Gateway, SharedSlots]] = {}
        self._replaced: list[tuple[Gateway, SharedSlots]] = []
        self._told: dict[
            tuple[int, bytes], str
        ] = {}  # destination and key -> account id, as this process read it
        self._lock = threading.Lock()

    def gateway(self, destination: Destination) -> Gateway:
        """The gateway of a destination as it is configured now; ConfigError when its key cannot be opened."""
        name = self.name_of(destination)
        stamp = (destination.base_url, bytes(destination.sealed_key), destination.login, name)
        with self._lock:
            known = self._open.get(destination.id)
            if known is not None and known[0] == stamp:
                return known[1]
            gateway, slots = self._connect(destination)
            if known is not None:
                self._replaced.append(known[1:])  # somebody may be calling by it
            self._open[destination.id] = (stamp, gateway, slots)
            return gateway

    def name_of(self, destination: Destination) -> str:
        """Its account's name, also where the caller's row was read before the account was; "" while nobody knows."""
        told = self._told.get((destination.id, bytes(destination.sealed_key)), "")
        return account_name(destination) or account_name(destination, told)

    def tell_account(self, destination: Destination, account_id: str) -> None:
        """From now on its connections are counted with all others of this account."""
        self._told[destination.id, bytes(destination.sealed_key)] = account_id

    def is_quiet(self, destination_id: int) -> bool:
        """Whether the account asked for no call for a while, as far as a gateway that is open knows."""
        with self._lock:
            known = self._open.get(destination_id)
        return known is not None and known[2].find_quiet_seconds() > 0

    def _connect(self, destination: Destination) -> tuple[Gateway, SharedSlots]:
        key = self.box.open(destination.sealed_key, binding(destination.slug))
        # Mailchimp counts connections per account over all keys. While it is not known, by address and key.
        known = self.name_of(destination)
        name = f"account {known}" if known else f"{destination.base_url} {key}"
        slots = SharedSlots(self._redis_url, hashlib.sha256(name.encode()).hexdigest()[:16])
        login: Login = "oauth" if destination.login == "oauth" else "api_key"
        return self._gateway(destination.base_url, key, login, slots), slots

    def _gateway(self, base_url: str, key: str, login: Login, slots: ConnectionSlots) -> Gateway:
        return Gateway(
            base_url,
            key,
            slots,
            login=login,
            deadline_seconds=self._deadlines.single,
            bulk_deadline_seconds=self._deadlines.bulk,
            on_call=self._on_call,
        )

    def close(self) -> None:
        with self._lock:
            for gateway, slots in [*self._replaced, *(known[1:] for known in self._open.values())]:
                gateway.close()
                slots.close()
            self._replaced.clear()
            self._open.clear()
