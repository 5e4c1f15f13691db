"""Form builders whose settings name a host or whose bodies carry a key: neither leads anywhere else."""

from datetime import UTC, datetime

import pytest

from integrations.kit.contract import RawRequest, SourceConfig
from integrations.kit.fetch import client_for
from integrations.kit.registry import get_source

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("integration", "host", "is_taken"),
    [
        ("jotform", "eu-api.jotform.com", True),
        ("jotform", "api.jotform.com.evil.example", False),
        ("typeform", "api.eu.typeform.com", True),
        ("typeform", "127.0.0.1", False),
    ],
)
def test_only_a_platforms_own_hosts_can_be_chosen(integration: str, host: str, is_taken: bool) -> None:
    source = get_source(integration)

    client = client_for(source, SourceConfig("s", {"api_host": host}, {}))

    assert is_taken == (type(client).__name__ == "HostClient")
    if is_taken:
        assert host == client._host  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("integration", "body"),
    [
        ("google_ads", b'{"lead_id":"1","google_key":"the-key-of-the-source","user_column_data":[]}'),
        (
            "eventbrite",
            b'{"config":{"action":"order.placed","endpoint_url":"https://m.example/the-key-of-the-source"},"api_url":"1"}',
        ),
        (
            "jotform",
            b"webhookURL=https%3A%2F%2Fm.example%2Fhooks%2Fs%2Fthe-key-of-the-source&formID=1&submissionID=2",
        ),
        ("jotform", b"formID=1&webhookURL=https%3A%2F%2Fm.example%2Fhooks%2Fs%2Fthe-key-of-the-source"),
        ("jotform", b"formID=1&other=the-key-of-the-source"),
    ],
)
def test_a_key_inside_a_body_is_not_kept(integration: str, body: bytes) -> None:
    config = SourceConfig(
        "s", {}, {"google_key": ("the-key-of-the-source",), "url_key": ("the-key-of-the-source",)}
    )
    request = RawRequest("POST", "", (("content-type", FORM),), body, (), "", NOW)

    stored = get_source(integration).stored_body(request, config)

    assert b"the-key-of-the-source" not in stored
    assert b"1" in stored
