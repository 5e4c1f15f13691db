"""Salesforce outbound messages: unsigned SOAP, known by a key in the address and by the organisation's number.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm (seen 2026-11-22).
"""

from datetime import datetime
from typing import Any, ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    DeliveryKey,
    Event,
    Ignored,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
    Verdict,
)
from integrations.kit.gather import gather
from integrations.kit.keys import digest_of_bytes
from integrations.kit.signing import Check, UrlKey
from integrations.kit.times import find_time
from integrations.kit.values import filled, short_name, text_of
from integrations.salesforce.soap import Element, find_text, read_xml, without_session

_URL_KEY = UrlKey()
OTHER_ORGANISATION = Verdict(False, "the message is of another organisation")
_SHORT_ID = 15  # ids have 15 letters, or the same 15 and 3 to check them
_NOT_OURS = "no outbound message"
_NO_ID = "a notification without an Id or an object"
_REPEATED = "the same notification stands in this delivery already"
# Anything but this in a 200 counts as not received.
_ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>"
)


class Salesforce(BaseSource):
    """One event a notification, with the object's fields as Salesforce names them."""

    name = "salesforce"
    label = "Salesforce (outbound messages)"
    checks: ClassVar[tuple[Check, ...]] = (_URL_KEY,)
    settings = (
        Setting(
            "url_key",
            "Key in the address",
            "The last part of the endpoint URL: the proof of a delivery.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "organization_id",
            "Salesforce organisation ID",
            "Setup, Company Information: 15 or 18 letters and digits, beginning with 00D. Others are refused.",
        ),
    )

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """By the key in the address, and by the organisation's number where the body can be read."""
        verdict = super().verify(request, config, now)
        expected = config.settings.get("organization_id", "").strip()
        if not verdict.is_ok or not expected:
            return verdict
        given = _organisation(request.body)
        return verdict if given is None or _is_same_id(given, expected) else OTHER_ORGANISATION

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The bytes without the session, which is another one at every try."""
        return DeliveryKey(digest_of_bytes(without_session(request.body)))

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:  # noqa: ARG002
        """The body without the session: a live login is never kept."""
        return without_session(request.body)

    def reply(self, request: RawRequest, config: SourceConfig) -> Reply:  # noqa: ARG002
        """The acknowledgement in SOAP that Salesforce waits for."""
        return Reply(200, _ACK, "text/xml; charset=utf-8")

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """One event a notification; XML that is no outbound message by its name."""
        root = read_xml(request.body)
        message = _message(root)
        if message is None:
            return Split(ignored=(Ignored(_name_of(root), _NOT_OURS),))
        organisation = message.text_at("OrganizationId")
        notifications = [child for child in message.children if child.name == "Notification"]
        if not notifications:
            return Split(ignored=(Ignored("notifications", "there is no notification in it"),))
        return gather((_event(each, organisation) for each in notifications), _REPEATED)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps messages from coming in, or lets others in."""
        problems = list(super().list_config_problems(config))
        if not config.settings.get("organization_id", "").strip():
            problems.append("Salesforce organisation ID is not set; only the key in the address is checked.")
        return tuple(problems)


def _event(notification: Element, organisation: str) -> Event | Ignored:
    made, number = notification.find("sObject"), notification.text_at("Id")
    if made is None or not number:
        return Ignored("Notification", _NO_ID)
    found = made.as_value()
    fields: dict[str, Any] = filled(found) if isinstance(found, dict) else {}
    kind = short_name(made.kind, "sObject")
    is_deleted = text_of(fields.get("IsDeleted")) == "true"
    content = {
        "type": kind,
        "id": text_of(fields.get("Id")),
        "fields": {name: value for name, value in fields.items() if name != "Id"},
        "change": "deleted" if is_deleted else "",
    }
    changed_at = fields.get("SystemModstamp") or fields.get("LastModifiedDate") or fields.get("CreatedDate")
    return Event(
        key=f"{organisation[:_SHORT_ID]}:{number}",
        kind=kind,
        content=filled(content),
        occurred_at=find_time(changed_at),
        account=organisation[:_SHORT_ID],
        is_erasure=is_deleted,
    )


def _organisation(body: bytes) -> str | None:
    """The organisation that a message names; None where the body cannot be read, which is for a dead letter.

    It stands at the beginning (the WSDL says so), so the rest is not read at the door.
    """
    try:
        return find_text(body, "OrganizationId", len(("Envelope", "Body", "notifications"))) or ""
    except Unreadable:
        return None


def _message(root: Element) -> Element | None:
    """<notifications> in the Body of the Envelope."""
    body = root.find("Body")
    return body.find("notifications") if body else None


def _name_of(root: Element) -> str:
    body = root.find("Body")
    return short_name(body.children[0].name if body and body.children else root.name)


def _is_same_id(one: str, other: str) -> bool:
    return len(one) >= _SHORT_ID and one[:_SHORT_ID] == other[:_SHORT_ID]


source = Salesforce()
