"""A world that a recording is replayed into: it sends nothing to anybody, and chooses what the recorded server chose."""

from typing import Any

from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.happenings import Happening
from integrations.mailchimp.simulator.recording import Exchange
from integrations.mailchimp.simulator.webhooks import WebhookSender
from integrations.mailchimp.simulator.world import World


class SilentSender(WebhookSender):
    """Lets go of every delivery: the recorded receivers are real, and not ours to call."""

    def post(self, happening: Happening) -> None:
        """Nothing."""


class RecordedWorld(World):
    """`exchange` is the one that is being replayed."""

    def __init__(self, config: SimulatorConfig) -> None:
        super().__init__(config)
        self.sender = SilentSender(config, self.clock, self.switches)
        self.exchange: Exchange | None = None

    def made_up(self, name: str, usual: Any) -> Any:
        """Ids and the like of something new: as the recorded answer shows them, where they are of the same type."""
        exchange = self.exchange
        if exchange is None or exchange.method != "POST" or not exchange.is_fine:
            return usual
        chosen = exchange.found.get(name, usual)
        return chosen if isinstance(chosen, type(usual)) else usual

    def is_url_answering(self, url: str) -> bool:
        """As recorded: every URL, but for one that was refused."""
        errors = self.exchange.errors if self.exchange else ()
        return bool(url) and not any(error.get("field") == "url" for error in errors)
