"""What a simulator is started with, and the switches for what the real API leaves undecided."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

DEFAULT_API_KEY = "0123456789abcdef0123456789abcdef-us1"  # opens nothing but a simulator
DEFAULT_LIST_ID = "a1b2c3d4e5"
# An OAuth application that is registered from the start; it opens nothing but a simulator either.
DEFAULT_CLIENT_ID = "100000000001"
DEFAULT_CLIENT_SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef01"  # noqa: S105


@dataclass(slots=True)
class Switches:
    """Settable while it runs (POST /_sim/switches). The client has to pass under every setting."""

    latency_ms: int = 0
    connection_limit: int = 10
    # Undecided on the real API: whether GET members without a status lists archived members.
    are_archived_listed: bool = False
    # Reported as never applied (MailChimp.Net issue 368).
    are_put_tags_applied_on_update: bool = False
    # Reported in 2017, quoted since, and in no recording: only who is subscribed can be given another address.
    are_only_subscribed_moved: bool = True
    # Whether archiving by API or staff calls the webhook (unsubscribe, action delete).
    is_webhook_sent_on_archive: bool = True
    # Whether timestamp_signup is set anew when somebody comes back. Who had none gets none by the API (recorded 2021).
    is_signup_time_renewed: bool = False
    # How long changed tags are not seen yet; 0 to 5 seconds were reported.
    tag_delay_seconds: float = 0.0
    # Stats of lists are counted by Mailchimp at most every 300 seconds.
    stats_age_seconds: float = 0.0
    # What a batch of more than 500 members, and an address twice in one request, is told: not captured.
    batch_limit_text: str = "Array may contain no more than 500 items"
    duplicate_text: str = "{email} appears more than once in this request."
    # How long a batch waits before it is begun, and is "finalizing" after its last operation (up to 7.4 hours seen).
    batch_start_seconds: float = 0.0
    batch_finalize_seconds: float = 0.0
    webhook_copies: int = 1  # 2 delivers everything twice
    webhook_jitter_seconds: float = 0.0  # deliveries wait a random time up to this, and so change places
    webhook_delay_seconds: float = 0.0  # every delivery comes so late
    are_webhooks_swapped: bool = False  # of two deliveries the second comes first


class SwitchError(Exception):
    """A switch that there is not, or a value that it does not take."""


def turn(switches: Switches, wants: Mapping[str, Any]) -> None:
    """Set the switches named; all are checked before any is turned."""
    known, turned = {one.name for one in fields(Switches)}, {}
    for name, value in wants.items():
        if name not in known:
            raise SwitchError(f"There is no switch {name}; there are {', '.join(sorted(known))}.")
        before = getattr(switches, name)
        is_number = isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool)
        if type(value) is not type(before) and not is_number:
            raise SwitchError(f"The switch {name} takes a {type(before).__name__}.")
        turned[name] = type(before)(value)
    for name, value in turned.items():
        setattr(switches, name, value)


def read_switches(words: Iterable[str]) -> Switches:
    """Switches from words like `latency_ms=50`; a value is JSON, or else a text."""
    wants: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            wants[name] = json.loads(text)
        except ValueError:
            wants[name] = text
    switches = Switches()
    turn(switches, wants)
    return switches


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """One account with one audience exists at the first start; `state_file` keeps everything over restarts."""

    api_key: str = DEFAULT_API_KEY
    list_id: str = DEFAULT_LIST_ID
    list_name: str = "Friends of the house"
    latency_ms: int = 0
    state_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8090
    is_double_optin: bool = False
    # Seconds between tries of a webhook. Mailchimp tries again at rising intervals over 75 minutes.
    webhook_retry_seconds: tuple[float, ...] = (1, 2, 4, 8, 15, 30, 60, 120, 240)
    webhook_timeout_seconds: float = 10.0
    journal_size: int = 50_000
    # What OAuth's metadata names as the API's address; "" is the address that was asked.
    api_endpoint: str = ""
    switches: Switches = field(default_factory=Switches)
