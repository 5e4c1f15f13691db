"""The host-pinned client: where it goes, how long, how much, and what each failure becomes."""

import gzip
import json
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.kit.contract import EnrichError
from integrations.kit.dial import is_allowed
from integrations.kit.fetch import HostClient, make_client, retry_after_seconds
from integrations.meta_leads.leads import GRAPH_ERRORS
from tests.integrations.graph_stand_in import (
    GraphStandIn,
    Script,
    cut,
    drip,
    graph_error,
    make_lead,
    running_graph,
    silence,
    status,
)

TOKEN = "EAAB-secret-page-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def graph() -> Iterator[GraphStandIn]:
    with running_graph() as graph:
        yield graph


def fetch(graph: GraphStandIn, script: Script | None = None, seconds: float = 2.0) -> Any:
    graph.scripts = {"1": script} if script else {}
    graph.leads = {"1": make_lead("1", email="ana@alumni.example")}
    client = HostClient(
        graph.base_url, is_loopback_allowed=True, error_outcomes=GRAPH_ERRORS, total_seconds=seconds
    )
    return client.get_json("/v25.0/1", {"fields": "id"}, HEADERS)


def failure(graph: GraphStandIn, script: Script, seconds: float = 2.0) -> EnrichError:
    with pytest.raises(EnrichError) as caught:
        fetch(graph, script, seconds)
    return caught.value


def test_an_answer_is_parsed_and_the_token_travels_in_a_header_only(graph: GraphStandIn) -> None:
    graph.calls.clear()

    answer = fetch(graph)

    path, query, headers = graph.calls[-1]
    assert make_lead("1", email="ana@alumni.example") == answer
    assert ("/v25.0/1", {"fields": ["id"]}, f"Bearer {TOKEN}") == (path, query, headers["authorization"])
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (graph_error(401, 190, 463), "blocked_credentials"),
        (graph_error(400, 190), "blocked_credentials"),
        (graph_error(403, 200), "blocked_credentials"),
        (graph_error(403, 4), "waiting_enrich"),
        (status(401), "blocked_credentials"),
        (status(403), "blocked_credentials"),
        (graph_error(400, 100, 33), "gone"),
        (graph_error(404, 803), "gone"),
        (status(404), "gone"),
        (status(410), "gone"),
        (graph_error(400, 100), "invalid"),
        (graph_error(400, 4), "waiting_enrich"),
        (graph_error(400, 17), "waiting_enrich"),
        (graph_error(400, 32), "waiting_enrich"),
        (graph_error(400, 613), "waiting_enrich"),
        (status(429), "waiting_enrich"),
        (status(500), "waiting_enrich"),
        (status(503, b"<html>busy</html>"), "waiting_enrich"),
        (graph_error(500, 2), "waiting_enrich"),
        (status(400), "invalid"),
        (status(302, Location="http://127.0.0.1:1/"), "invalid"),
        (status(204, b""), "invalid"),
        (status(200, b"<html>sign in</html>"), "invalid"),
        (status(200, b""), "invalid"),
        (status(200, b'{"id": "1"'), "invalid"),
        (status(200, gzip.compress(b"{}"), Content_Encoding="gzip"), "invalid"),
        (status(200, b'"' + b"x" * (10 * 1024 * 1024) + b'"'), "invalid"),
        (cut, "waiting_enrich"),
        (silence(1.5), "waiting_enrich"),
    ],
)
def test_each_failure_has_its_outcome_and_names_no_secret(
    graph: GraphStandIn, script: Script, outcome: str
) -> None:
    error = failure(graph, script, seconds=0.7)

    assert outcome == error.outcome
    assert error.reason
    assert error.hint
    assert TOKEN not in "".join(traceback.format_exception(error))
    assert graph.base_url not in "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize(
    "script",
    [
        drip(b" ", 0.05, 100, head=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"),
        drip(b"x", 0.05, 100, head=b"HTTP/1.1 200 OK\r\nX-Slow: "),
        drip(b"H", 0.05, 100),
        silence(4),
    ],
    ids=["body", "header", "status-line", "nothing"],
)
def test_the_deadline_is_for_the_whole_call_and_not_for_each_read(
    graph: GraphStandIn, script: Script
) -> None:
    started = time.monotonic()

    error = failure(graph, script, seconds=0.5)

    assert error.outcome == "waiting_enrich"
    assert "in time" in error.reason
    assert time.monotonic() - started < 1.5


def test_a_lookup_that_hangs_is_given_up() -> None:
    over = threading.Event()
    client = HostClient(
        "https://graph.example", total_seconds=0.3, resolve=lambda _host, _port: (over.wait(5) and []) or []
    )
    started = time.monotonic()

    with pytest.raises(EnrichError) as caught:
        client.get_json("/v25.0/1", {}, {})
    over.set()

    assert caught.value.outcome == "waiting_enrich"
    assert time.monotonic() - started < 1.5


def test_retry_after_is_handed_on(graph: GraphStandIn) -> None:
    error = failure(graph, graph_error(429, 4, Retry_After="120"))

    assert error.retry_after_seconds == 120.0
    assert failure(graph, status(429)).retry_after_seconds is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("999999999", 86_400.0),
        ("soon", None),
        ("-1", None),
        ("", None),
        (None, None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_with_bounds(text: str | None, seconds: float | None) -> None:
    assert seconds == retry_after_seconds(text)


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    assert retry_after_seconds(later) == pytest.approx(90, abs=3)
    assert retry_after_seconds("Sat, 21 Nov 2015 10:00:00 GMT") == 0.0


def test_a_redirect_is_not_followed(graph: GraphStandIn) -> None:
    graph.calls.clear()

    error = failure(graph, status(302, Location=f"{graph.base_url}/v25.0/2"))

    assert "redirect" in error.reason
    assert [path for path, _, _ in graph.calls] == ["/v25.0/1"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "me",
        "//evil.example/",
        "/../me",
        "/v25.0/../../me",
        "/v25.0/1?access_token=x",
        "/v25.0/1#x",
        "/a b",
        "/a\r\nX: y",
        "/\\evil",
    ],
)
def test_only_a_plain_path_can_be_asked_for(path: str) -> None:
    client = HostClient("https://graph.example", resolve=lambda _host, _port: pytest.fail("looked up"))

    with pytest.raises(EnrichError) as caught:
        client.get_json(path, {}, {})

    assert caught.value.outcome == "invalid"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "64:ff9b::7f00:1", "junk", "",
    ],
)  # fmt: skip
def test_only_public_addresses_are_dialled(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("dialled"))
    client = HostClient(
        "https://graph.example", resolve=lambda _host, _port: ["93.184.216.34", address], total_seconds=1
    )

    with pytest.raises(EnrichError, match="not public") as caught:
        client.get_json("/v25.0/1", {}, {})

    assert caught.value.outcome == "waiting_enrich"
    assert not is_allowed(address, is_loopback_allowed=False)


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822", "::ffff:93.184.216.34"],
)
def test_public_addresses_may_be_dialled(address: str) -> None:
    assert is_allowed(address, is_loopback_allowed=False)
    assert not is_allowed(address, is_loopback_allowed=True)


def test_a_name_that_moves_to_this_machine_reaches_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        port = canary.getsockname()[1]
        answers = iter([["127.0.0.1"]])
        client = HostClient(
            f"https://graph.example:{port}", resolve=lambda _host, _port: next(answers), total_seconds=1
        )

        with pytest.raises(EnrichError):
            client.get_json("/v25.0/1", {}, {})
        with pytest.raises(TimeoutError):
            canary.accept()


def test_the_name_is_looked_up_once_and_the_checked_address_is_dialled(
    graph: GraphStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.scripts, graph.leads = {}, {"1": make_lead("1")}
    port = urlsplit(graph.base_url).port
    asked: list[str] = []
    client = HostClient(
        f"http://stand-in.example:{port}",
        is_loopback_allowed=True,
        resolve=lambda host, _port: [asked.append(host) or "127.0.0.1"],
    )
    dialled = []
    connect = socket.create_connection
    monkeypatch.setattr(
        socket,
        "create_connection",
        lambda address, **more: [dialled.append(address), connect(address, **more)][1],
    )
    graph.calls.clear()

    client.get_json("/v25.0/1", {}, {})

    assert asked == ["stand-in.example"]
    assert [("127.0.0.1", port)] == dialled
    assert f"stand-in.example:{port}" == graph.calls[-1][2]["host"]


def test_proxies_of_the_environment_are_not_used(
    graph: GraphStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert fetch(graph)["id"] == "1"


def test_nobody_listening_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(EnrichError, match="could not be reached") as caught:
        make_client("graph.facebook.com", f"http://127.0.0.1:{port}").get_json("/v25.0/1", {}, {})

    assert caught.value.outcome == "waiting_enrich"


@pytest.fixture(scope="module")
def tls_graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of a stand-in that speaks TLS as graph.test, and the file with its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate("graph.test", folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with running_graph(context) as graph:
        graph.leads = {"1": make_lead("1")}
        graph.scripts = {"2": silence(3)}
        yield graph.port, certificate


def make_certificate(host: str, folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "cert.pem", folder / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


def tls_client(port: int, host: str) -> HostClient:
    return HostClient(
        f"https://{host}:{port}",
        is_loopback_allowed=True,
        total_seconds=1,
        resolve=lambda _host, _port: ["127.0.0.1"],
    )


def test_tls_checks_the_real_name_although_an_address_is_dialled(
    tls_graph: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate = tls_graph
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    monkeypatch.setattr(requests.certs, "where", lambda: str(certificate))

    answer = tls_client(port, "graph.test").get_json("/v25.0/1", {}, HEADERS)

    assert make_lead("1") == answer
    with pytest.raises(EnrichError, match="certificate") as caught:
        tls_client(port, "other.test").get_json("/v25.0/1", {}, HEADERS)
    assert caught.value.outcome == "waiting_enrich"


def test_the_deadline_cuts_a_tls_connection_too(
    tls_graph: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate = tls_graph
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    monkeypatch.setattr(requests.certs, "where", lambda: str(certificate))
    started = time.monotonic()

    with pytest.raises(EnrichError, match="in time"):
        tls_client(port, "graph.test").get_json("/v25.0/2", {}, HEADERS)

    assert time.monotonic() - started < 2


def test_a_certificate_that_is_not_trusted_is_refused(tls_graph: tuple[int, Path]) -> None:
    port, _ = tls_graph

    with pytest.raises(EnrichError, match="certificate"):
        tls_client(port, "graph.test").get_json("/v25.0/1", {}, HEADERS)


def test_a_token_that_no_header_can_carry_is_named(graph: GraphStandIn) -> None:
    client = make_client("graph.facebook.com", graph.base_url)

    for token in ("tök\u0142en", "a\r\nX-Evil: 1"):
        with pytest.raises(EnrichError) as caught:
            client.get_json("/v25.0/1", {}, {"Authorization": f"Bearer {token}"})
        assert token not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://evil.example", "http://evil.example", "http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example",
        "http://127.0.0.1:80@evil.example/", "http://10.0.0.1", "http://127.0.0.1:80/path", "ftp://127.0.0.1", "127.0.0.1:80",
        "http://localhost:80 ", "http://localhost:80\n",
    ],
)  # fmt: skip
def test_only_this_machine_may_stand_in(base_url: str) -> None:
    with pytest.raises(EnrichError, match="not on this machine"):
        make_client("graph.facebook.com", base_url)


@pytest.mark.shared
def test_the_ssrf_corpus_reaches_no_loopback_port(shared: Path) -> None:
    texts = [
        json.loads(line)["text"]
        for line in (shared / "corpora" / "ssrf.jsonl").read_text("utf-8").splitlines()
    ]
    accepted = []
    for text in texts:
        try:
            make_client("graph.facebook.com", text)
        except EnrichError:
            continue
        accepted.append(text)

    assert texts
    assert all(urlsplit(text).hostname in ("127.0.0.1", "localhost", "::1") for text in accepted if text)
