"""Every integration at the real door: hostile bodies are never a fault of ours, and challenges need no server at all."""

import base64
import http.client
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from app.core.db import make_engine, make_sessions, transaction
from app.core.migrate import migrate
from app.core.secretbox import open_box
from app.core.servers import running_servers
from app.sources.configure import add_source
from integrations.kit.contract import RawRequest
from integrations.kit.registry import list_integrations
from integrations.kit.runner import Case, list_cases

FAMILIES = ("json", "body", "form", "xml", "signature")
NAMES = list_integrations()
SHARE = (
    3  # of the bodies, one in so many for each integration; here what the door itself does with them counts
)
FORBIDDEN_SETTINGS = {"graph_base_url", "api_base", "api_base_url"}  # stand-ins of fixtures


@dataclass(frozen=True)
class Sample:
    """One integration's case, and where it stands in this Muster."""

    case: Case
    path: str

    def post(self, connection: http.client.HTTPConnection, body: bytes, *, is_signed: bool) -> int:
        url = f"http://127.0.0.1:{connection.port}{self.path}"  # some platforms sign where they call
        request = replace(self.case.unsigned, body=body, url=url, received_at=datetime.now(UTC))
        if is_signed:
            request = self.case.source.sign(request, self.case.config, datetime.now(UTC))
        return ask(connection, self.path, request)[0]


def ask(connection: http.client.HTTPConnection, path: str, request: RawRequest) -> tuple[int, bytes]:
    """Send a fixture's request to a source of this Muster."""
    headers = {
        name: value.encode("latin-1", "replace").decode("latin-1")
        for name, value in request.headers
        if name not in ("content-length", "host", "connection", "transfer-encoding")
    }
    query = f"?{urlencode(request.query)}" if request.query else ""
    connection.request(request.method, path + query, request.body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def place(session, box, case: Case) -> Sample:
    """A source that is configured as the case says."""
    secrets = {name: values[0] for name, values in case.config.secrets.items() if values}
    settings = {name: value for name, value in case.config.settings.items() if name not in FORBIDDEN_SETTINGS}
    slug = f"t-{case.integration}-{case.name}"[:60].replace("_", "-").strip("-")
    added = add_source(session, box, case.integration, slug, {**settings, **secrets})
    path = added.hook_path
    if "url_key" in secrets and not path.endswith(secrets["url_key"]):
        path = f"{path}/{secrets['url_key']}"
    return Sample(case, path)


def signed_case(name: str) -> Case:
    """One that is configured so that an admin could have done it."""
    cases = [case for case in list_cases(name) if case.is_signed and case.expect.get("events")]
    return min(cases, key=lambda case: len(case.source.list_config_problems(case.config)))


@pytest.mark.shared
@pytest.mark.parametrize("name", NAMES)
def test_no_hostile_body_is_a_fault_of_ours(web, sessions, box, shared, name):
    """Every body comes to the door for some integration; every integration reads every one in integrations/test_samples.py."""
    with transaction(sessions) as session:
        sample = place(session, box, signed_case(name))
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=15)
    lines = [
        json.loads(line)
        for family in FAMILIES
        for line in (shared / "corpora" / f"{family}.jsonl").read_text("utf-8").splitlines()
    ]

    statuses = {}
    for line in lines[NAMES.index(name) % SHARE :: SHARE]:
        body = (
            base64.b64decode(line["b64"]) if "b64" in line else line["text"].encode("utf-8", "surrogatepass")
        )
        is_signed = not line["id"].startswith("signature/")
        statuses[line["id"]] = sample.post(connection, body, is_signed=is_signed)
    connection.close()

    assert [] == [key for key, status in statuses.items() if status >= 500]
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM deliveries")).scalar_one() > 0


@pytest.fixture(scope="module")
def challenges() -> list[Case]:
    return [
        case
        for name in NAMES
        for case in list_cases(name)
        if case.expect.get("challenge", {}).get("status") == 200
    ]


def test_every_challenge_is_answered_while_all_servers_are_stopped(own, kit, tmp_path, challenges):
    with running_servers(own):
        engine = make_engine(own.postgres_url)
        migrate(engine)
        with transaction(make_sessions(engine)) as session:
            samples = [place(session, open_box(own), case) for case in challenges]
        engine.dispose()
        # A first web process leaves the sealed snapshot behind.
        with kit.running_web(own, tmp_path / "first.log", processes=1) as web:
            kit.wait_until(lambda: _is_known(web, samples[0]), 10)

    with kit.running_web(own, tmp_path / "second.log") as web:
        connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
        answers = [ask(connection, sample.path, sample.case.request) for sample in samples]
        connection.close()

    assert {case.integration for case in challenges} >= {
        "meta_leads",
        "x",
        "linkedin",
        "blackbaud",
        "mailchimp",
    }
    assert [(case.name, 200, case.expect["challenge"]["body"]) for case in challenges] == [
        (sample.case.name, status, body.decode())
        for sample, (status, body) in zip(samples, answers, strict=True)
    ]


def _is_known(web, sample: Sample) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    try:
        return ask(connection, sample.path, sample.case.request)[0] == 200
    finally:
        connection.close()


def test_google_ads_is_told_in_its_own_form_why_a_lead_is_refused(web, sessions, box):
    with transaction(sessions) as session:
        sample = place(session, box, signed_case("google_ads"))
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)

    status, body = ask(
        connection, sample.path, replace(sample.case.unsigned, body=b'{"google_key": "wrong"}')
    )

    connection.close()
    assert (401, ["message"]) == (status, list(json.loads(body)))
