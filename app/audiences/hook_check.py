"""Whether an audience's webhook at Mailchimp is as it should be: there, ours, signed, and deaf to our own writes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from integrations.mailchimp.answers import Webhook
from integrations.mailchimp.gateway import WEBHOOK_EVENTS, WEBHOOK_SOURCES

# Without "campaign": what was sent is read, not told. Without "api": our own writes would come back to us
# (a public connector that had it on looped: mc-magento2 issue 2334, seen 2026-11).
EVENTS = WEBHOOK_EVENTS[:5]
SOURCES = WEBHOOK_SOURCES[:2]
# Only whoever rotates the key changes it, so a hook with an older one waits for its new address.
RENEWED = "its secret was renewed"


@dataclass(frozen=True, slots=True)
class HookPlan:
    """What to do, in this order: clear what stands in the way, make one anew or set one right, take the old ones away."""

    clears: tuple[str, ...] = ()
    creates: bool = False
    keeps: str = ""  # id of the webhook that is ours, and may be heard
    updates: str = ""  # webhook id
    deletes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        return not self.faults


def plan_hook(webhooks: Sequence[Webhook], url: str, *, has_secret: bool, heard: str = "") -> HookPlan:
    """What makes the webhook at `url` right. Hooks that lead elsewhere are other people's and stay.

    A hook with an older key of ours in its address, one that is not signed, and one whose secret was never heard (the
    answer was lost) are made anew, for a secret is told only once. `heard`: the id of the hook whose answer was heard;
    "" where that was not noted yet, and the one with the right address is taken for it. An account that signs nothing
    gives no secret with the answer either: its hook stays as it was made, and its key in the address is what it proves.
    """
    ours = [one for one in webhooks if _place(one.url) == _place(url)]
    good = [
        one
        for one in ours
        if one.url == url
        and (
            heard in {"", one.webhook_id}
            if one.is_signed and has_secret
            else _is_bare(one, heard, has_secret)
        )
    ]
    if not good:
        same = [one for one in ours if one.url == url]
        old = [one for one in ours if one.url != url]
        return HookPlan(_ids(same), creates=True, deletes=_ids(old), faults=(_fault(same, old),))
    kept = good[0]
    others = _ids([one for one in ours if one is not kept])
    wrong = _wrong_switches(kept)
    faults = (wrong, "there is more than one" if others else "")
    return HookPlan(
        keeps=kept.webhook_id,
        updates=kept.webhook_id if wrong else "",
        deletes=others,
        faults=tuple(fault for fault in faults if fault),
    )


def _is_bare(webhook: Webhook, heard: str, has_secret: bool) -> bool:
    """Made by us, without a secret. Where there is one all the same, unsigned deliveries would be refused."""
    return not webhook.is_signed and not has_secret and heard == webhook.webhook_id


def _fault(same: Sequence[Webhook], old: Sequence[Webhook]) -> str:
    if same:
        return "its secret was never heard" if same[0].is_signed else "it is not signed"
    return RENEWED if old else "it is not there"


def _wrong_switches(webhook: Webhook) -> str:
    """Which events and sources are on that should be off, or the other way round."""
    wanted = {**dict.fromkeys(EVENTS, True), **dict.fromkeys(WEBHOOK_EVENTS[5:], False)}
    wrong = [name for name, is_on in wanted.items() if bool(webhook.events.get(name)) != is_on]
    wrong += [name for name in WEBHOOK_SOURCES if bool(webhook.sources.get(name)) != (name in SOURCES)]
    return f"wrongly set: {', '.join(wrong)}" if wrong else ""


def _place(url: str) -> tuple[str, str]:
    """Host and path without the key, which is the last part of the path."""
    parts = urlsplit(url)
    return parts.netloc, parts.path.rstrip("/").rpartition("/")[0]


def _ids(webhooks: Sequence[Webhook]) -> tuple[str, ...]:
    return tuple(one.webhook_id for one in webhooks)
