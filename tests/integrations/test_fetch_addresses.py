"""The host-pinned client goes to public addresses of its one host, whatever names, paths and settings say."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from integrations.kit.contract import EnrichError
from integrations.kit.dial import is_allowed
from integrations.kit.fetch import HostClient, make_client
from tests.integrations.graph_stand_in import (
    GraphStandIn,
    make_lead,
    running_graph,
)


@pytest.fixture(scope="module")
def graph() -> Iterator[GraphStandIn]:
    with running_graph() as graph:
        yield graph


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

    graph.scripts, graph.leads = {}, {"1": make_lead("1")}

    answer = make_client("graph.facebook.com", graph.base_url).get_json("/v25.0/1", {}, {})

    assert answer["id"] == "1"


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
