"""How often one address may post to a public form: a bucket each, refilled by the minute. In this process's memory."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

MOST_BUCKETS = 20_000  # beyond it the longest unused are forgotten
BURST_SECONDS = 20  # a class of visitors behind one address presses "send" together


@dataclass(slots=True)
class Bucket:
    """What is left, and when it was last filled, in seconds of a steady clock."""

    left: float
    filled_at: float


class Crowd:
    """Counts posts by source and address. For one event loop; a process of its own counts for itself."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[int, str], Bucket] = OrderedDict()

    def admits(self, source_id: int, address: str, per_minute: float, now: float) -> bool:
        """Whether one more post from this address may come in; it is counted."""
        if per_minute <= 0 or is_own_machine(address):
            return True
        capacity = max(1.0, per_minute * BURST_SECONDS / 60)
        key = (source_id, network_of(address))
        bucket = self._buckets.pop(key, None) or Bucket(capacity, now)
        bucket.left = min(capacity, bucket.left + (now - bucket.filled_at) * per_minute / 60)
        bucket.filled_at = now
        self._buckets[key] = bucket  # the newest stands last
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True


def is_own_machine(address: str) -> bool:
    """Loopback, or an address that nobody can know: what cannot be told apart is not limited."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True


def network_of(address: str) -> str:
    """The address; of IPv6 the /64, which one household has for itself."""
    found = ipaddress.ip_address(address)
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if found.version == 6 else str(found)  # noqa: PLR2004


def client_address(peer: str, forwarded: str | None, *, is_proxied: bool) -> str:
    """Who asks: the peer, or what the one proxy in front says of it (the last of X-Forwarded-For)."""
    if is_proxied and forwarded:
        return forwarded.rpartition(",")[2].strip()
    host, colon, _ = peer.rpartition(":")
    return host.strip("[]") if colon else peer
