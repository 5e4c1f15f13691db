"""What a simulator is started with, and the switches for what the real API leaves undecided."""

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_API_KEY = "0123456789abcdef0123456789abcdef-us1"  # opens nothing but a simulator
DEFAULT_LIST_ID = "a1b2c3d4e5"


@dataclass(slots=True)
class Switches:
    """Settable while it runs (POST /_sim/switches). The client has to pass under every setting."""

    latency_ms: int = 0
    connection_limit: int = 10
    # Undecided on the real API: whether GET members without a status lists archived members.
    are_archived_listed: bool = False
    # Reported as never applied (MailChimp.Net issue 368).
    are_put_tags_applied_on_update: bool = False
    # Whether archiving by API or staff calls the webhook (unsubscribe, action delete).
    is_webhook_sent_on_archive: bool = True
    webhook_copies: int = 1  # 2 delivers everything twice
    webhook_jitter_seconds: float = 0.0  # deliveries wait a random time up to this, and so change places


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
    switches: Switches = field(default_factory=Switches)
