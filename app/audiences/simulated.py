"""The local Mailchimp's constants: where every room and `muster sim` take them from."""

from app.core.config import Settings
from integrations.mailchimp.simulator.audience import Account
from integrations.mailchimp.simulator.config import (
    DEFAULT_API_KEY,
    DEFAULT_LIST_ID,
    SimulatorConfig,
    Switches,
)

API_KEY = DEFAULT_API_KEY
ACCOUNT_ID = Account(API_KEY).account_id
LIST_ID = DEFAULT_LIST_ID
LIST_NAME = "Friends of the house"
AUDIENCE_SLUG = "newsletter"
DESTINATION_SLUG = "simulator"
STATE_FILE = "simulator.json"
# The merge fields that a new audience of Mailchimp's has.
MERGE_FIELDS = {"FNAME": "text", "LNAME": "text", "ADDRESS": "address", "PHONE": "phone"}


def simulator_config(
    settings: Settings,
    *,
    latency_ms: int = 0,
    port: int | None = None,
    is_double_optin: bool = False,
    switches: Switches | None = None,
) -> SimulatorConfig:
    """How `muster sim` and `muster up` start the simulator; its state is kept under the home."""
    return SimulatorConfig(
        api_key=API_KEY,
        list_id=LIST_ID,
        list_name=LIST_NAME,
        latency_ms=latency_ms,
        state_file=settings.home / STATE_FILE,
        port=settings.sim_port if port is None else port,
        is_double_optin=is_double_optin,
        switches=switches or Switches(),
    )


def simulator_form_url(settings: Settings) -> str:
    """The hosted form of the simulated audience."""
    return f"{settings.simulator_url.removesuffix('/3.0')}/subscribe?id={LIST_ID}"
