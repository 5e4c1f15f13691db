"""The host-pinned client over TLS: the real name is checked although an address is dialled."""

import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.kit.contract import EnrichError
from integrations.kit.fetch import HostClient
from tests.integrations.graph_stand_in import (
    make_lead,
    running_graph,
    silence,
)

TOKEN = "EAAB-secret-page-token"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


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
