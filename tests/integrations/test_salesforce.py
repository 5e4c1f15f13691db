"""What fixtures cannot say about Salesforce: its live session is kept nowhere, however it is written."""

import pytest

from integrations.kit.contract import RawRequest, SourceConfig, Unreadable
from integrations.salesforce.soap import MAX_ELEMENTS, read_xml, without_session
from integrations.salesforce.source import source

SESSION = "00D9!ARcAQJ.live"
MESSAGE = (
    '<?xml version="1.0" encoding="{encoding}"?><e:Envelope xmlns:e="urn:e"><e:Body><notifications>'
    "<OrganizationId>00D90000000gNcmEAE</OrganizationId>{session}"
    "<Notification><Id>04l1</Id><sObject><Id>0031</Id><LastName>Núñez</LastName></sObject></Notification>"
    "</notifications></e:Body></e:Envelope>"
)


def message(session: str, encoding: str = "UTF-8") -> bytes:
    return MESSAGE.format(encoding=encoding, session=session).encode(encoding)


def request_of(body: bytes) -> RawRequest:
    return RawRequest("POST", "https://muster.example/hooks/s/k", (("content-type", "text/xml"),), body)


@pytest.mark.parametrize(
    "body",
    [
        message(f"<SessionId>{SESSION}</SessionId>"),
        message(f'<x:SessionId xmlns:x="urn:x" a="1">{SESSION}</x:SessionId>'),
        message(f"<SessionId><![CDATA[{SESSION}]]></SessionId>"),
        message(f"<SessionId><![CDATA[</SessionId>{SESSION}]]></SessionId>"),
        message(f"<SessionId><!-- </SessionId> -->{SESSION}</SessionId>"),
        message(f"<SessionId><?x </SessionId>?>{SESSION}</SessionId>"),
        message(f'<SessionId a=">">{SESSION}</SessionId>'),
        message(f"<SessionId>\n{SESSION}\n</SessionId >"),
        message(f"<SessionId>x</SessionId><SessionId>{SESSION}</SessionId>"),
        message(f"<SessionId>{SESSION}</SessionId>", "UTF-16"),
        message(f"<SessionId>{SESSION}</SessionId>", "ISO-8859-1"),
        message(f"<SessionId>{SESSION}</SessionId>", "cp037"),
        message(f"<SessionId>{SESSION}</SessionId>").partition(b"live")[0] + b"live",
        message(f"<SessionId>{SESSION}</SessionId>").partition(b"</SessionId>")[0],
    ],
    ids=[
        "plain",
        "prefix",
        "cdata",
        "cdata-end",
        "comment",
        "instruction",
        "attribute",
        "lines",
        "twice",
        "utf-16",
        "latin-1",
        "ebcdic",
        "cut",
        "cut-after",
    ],
)
def test_the_session_is_kept_nowhere(body: bytes) -> None:
    kept = source.stored_body(request_of(body), SourceConfig("s"))

    for encoding in ("utf-8", "utf-16", "cp037"):
        assert SESSION not in kept.decode(encoding, errors="ignore")


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
def test_what_is_kept_reads_the_same(encoding: str) -> None:
    body = message(f"<SessionId>{SESSION}</SessionId>", encoding)
    config = SourceConfig("s")

    kept = source.split(request_of(source.stored_body(request_of(body), config)), config)

    assert source.split(request_of(body), config) == kept
    assert kept.events[0].content["fields"] == {"LastName": "Núñez"}


def test_a_try_again_with_another_session_is_the_same_delivery() -> None:
    first, second = (message(f"<SessionId>{each}</SessionId>") for each in ("one", "another"))
    config = SourceConfig("s")

    assert source.delivery_key(request_of(first), config) == source.delivery_key(request_of(second), config)


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 100,
        b"<a>" + b"<b/>" * (MAX_ELEMENTS + 1) + b"</a>",
        b'<?xml version="1.0" encoding="no-such-one"?><a/>',
        b'<!DOCTYPE a SYSTEM "http://evil.example/x.dtd"><a/>',
        b"",
    ],
)
def test_dangerous_xml_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read_xml(body)

    assert caught.value.reason
    assert isinstance(without_session(body), bytes)
