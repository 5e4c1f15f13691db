"""WhatsApp Business Platform (Cloud API): the webhook of a business account.

Facts from https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview, seen 2026-11-22.
"""

from collections.abc import Iterator

from integrations.kit.contract import (
    Client,
    Event,
    Health,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
)
from integrations.kit.gather import bounded_name, gather
from integrations.kit.graph import check_subscription, is_object_id
from integrations.kit.messages import KEEPS_PRIVATE_TEXT, without_private_text
from integrations.kit.meta import APP_SECRET, GRAPH_SETTINGS, VERIFY_TOKEN, MetaSource
from integrations.kit.meta_envelope import Part, read_envelope
from integrations.whatsapp.values import FIELDS, read_value
from integrations.whatsapp.words import blank_words

_TOKEN = "access_token"  # noqa: S105 -- the name of a setting
_KINDS = ("", "whatsapp_business_account")
_OTHER_OBJECT = "not of WhatsApp: another integration reads it"
_NOTHING = "an entry with nothing in it"


class WhatsApp(MetaSource):
    """Messages come whole; who wants to be written to comes as preferences."""

    name = "whatsapp"
    label = "WhatsApp"
    settings = (
        APP_SECRET,
        VERIFY_TOKEN,
        KEEPS_PRIVATE_TEXT,
        Setting(
            "account_id",
            "Business account id",
            "Of the WhatsApp Business Account (digits). With it and a token Muster sees whether it still sends.",
        ),
        Setting(
            _TOKEN,
            "Access token",
            "Of a system user, with whatsapp_business_management. Only for seeing whether the account still sends.",
            is_secret=True,
        ),
        *GRAPH_SETTINGS,
    )

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:
        """The body less the words of messages, unless the source keeps them; answers to flows stay."""
        return without_private_text(request.body, config, blank_words)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """One event for each message, preference and failed status; everything else by its name."""
        envelope = read_envelope(request.body, FIELDS)
        found = (part for each in envelope.parts for part in _read(each, envelope.object, config))
        return gather(found)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether an app is still subscribed to the business account."""
        account_id = config.settings.get("account_id", "").strip()
        return check_subscription(account_id, ("messages",), config, client, _TOKEN)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps deliveries from coming in, or the account from being watched."""
        problems = list(super().list_config_problems(config))
        account_id = config.settings.get("account_id", "").strip()
        if account_id and not is_object_id(account_id):
            problems.append("Business account id is no number; it stands in the WhatsApp Manager.")
        return tuple(problems)


def _read(part: Part, kind: str, config: SourceConfig) -> Iterator[Event | Ignored]:
    if kind not in _KINDS:
        yield Ignored(bounded_name(kind, part.field or part.kind), _OTHER_OBJECT)
    elif part.kind == "nothing":
        yield Ignored("entry", _NOTHING)
    elif part.kind != "change":
        yield Ignored(part.kind, _OTHER_OBJECT)
    else:
        yield from read_value(part, config)


source = WhatsApp()
