"""OAuth: applications, the codes they fetch once, and the tokens that open an account until they are revoked."""

from dataclasses import dataclass, field

from integrations.mailchimp.simulator.config import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET


@dataclass(slots=True)
class Connections:
    """What the login host remembers."""

    clients: dict[str, str] = field(
        default_factory=lambda: {DEFAULT_CLIENT_ID: DEFAULT_CLIENT_SECRET}, repr=False
    )
    codes: dict[str, dict[str, str]] = field(
        default_factory=dict, repr=False
    )  # code -> client, redirect, key
    tokens: dict[str, str] = field(default_factory=dict, repr=False)  # token -> api key of its account
    revoked: set[str] = field(default_factory=set, repr=False)
