"""The one door to Mailchimp: typed calls over the official SDK, whose transport is ours."""

import time

from integrations.mailchimp.answers import AccountInfo, read_account
from integrations.mailchimp.door import PAGE_SIZE, expect, understand
from integrations.mailchimp.gateway_audience import WEBHOOK_EVENTS, WEBHOOK_SOURCES, AudienceCalls
from integrations.mailchimp.gateway_batches import BatchCalls
from integrations.mailchimp.gateway_history import HistoryCalls
from integrations.mailchimp.gateway_members import BATCH_SIZE, MemberCalls
from integrations.mailchimp.problems import MailchimpProblem

__all__ = [
    "BATCH_SIZE",
    "PAGE_SIZE",
    "WEBHOOK_EVENTS",
    "WEBHOOK_SOURCES",
    "Gateway",
    "base_url_for",
    "wait_until_up",
]


def base_url_for(api_key: str) -> str:
    """https://<data centre>.api.mailchimp.com/3.0; ValueError for a key that does not end in -<data centre>."""
    _, dash, centre = api_key.rpartition("-")
    if not dash or not centre.isalnum():
        raise ValueError(
            "A Mailchimp API key ends in a dash and the data centre, like ...-us6. Copy it again, whole."
        )
    return f"https://{centre}.api.mailchimp.com/3.0"


class Gateway(MemberCalls, HistoryCalls, AudienceCalls, BatchCalls):
    """Calls on one account. Every method raises MailchimpProblem for anything but a success.

    Members are addressed by hash, contact_id or e-mail address alike. Times are aware. Safe to share by threads.
    Calls of many members (a batch, a page) wait behind the others where connections are few.
    """

    def ping(self) -> str:
        return str(expect(self._ping.get(), "health_status")["health_status"])

    def get_root(self) -> AccountInfo:
        answer = self._root.get_root(exclude_fields=["_links"])
        return understand(read_account, expect(answer, "account_id"))


def wait_until_up(gateway: Gateway, seconds: float) -> bool:
    """Ping until it answers; False when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            gateway.ping()
        except MailchimpProblem:
            time.sleep(0.05)
        else:
            return True
    return False
