"""What fixtures cannot say of LinkedIn, Blackbaud and X: what is asked over real HTTP, with which headers, how often."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from integrations.blackbaud.source import Blackbaud
from integrations.kit.base import BaseSource
from integrations.kit.contract import EnrichError, Event, RawRequest, SourceConfig
from integrations.kit.fetch import client_for
from integrations.linkedin.source import LinkedIn
from integrations.x.private import CHAT_SECRETS
from integrations.x.source import X
from tests.integrations.test_enriching import respond, serving

LEADS, FORMS = "/rest/leadFormResponses/", "/rest/leadForms/"
SINCE = datetime(2026, 11, 1, tzinfo=UTC)


class Api:
    """Answers by path; `asked` holds (path with query, headers); `refused` are tokens it does not take."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refused: set[str] = set()
        self.status: tuple[int, dict[str, str]] | None = None

    def __call__(self, door: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in door.headers.items()}
        self.asked.append((door.path, headers))
        found = self.answers.get(urlsplit(door.path).path)
        if headers.get("authorization", "").removeprefix("Bearer ") in self.refused:
            respond(door, 401, b"{}")
        elif self.status:
            respond(door, self.status[0], b"{}", **self.status[1])
        else:
            respond(door, 200 if found is not None else 404, json.dumps(found or {}).encode())

    def paths(self) -> list[str]:
        return [urlsplit(path).path for path, _ in self.asked]


@contextmanager
def running(
    api: Api, slug: str, settings: dict[str, str], **secrets: tuple[str, ...]
) -> Iterator[SourceConfig]:
    with serving(api) as url:
        yield SourceConfig(slug, {**settings, "api_base_url": url}, secrets)


def lead(lead_id: str, version: str = "1") -> dict[str, Any]:
    return {
        "id": lead_id,
        "versionedLeadGenFormUrn": f"urn:li:versionedLeadGenForm:(urn:li:leadGenForm:77,{version})",
        "formResponse": {
            "answers": [{"questionId": 1, "answerDetails": {"textQuestionAnswer": {"answer": "Bo"}}}]
        },
    }


def thin_lead(lead_id: str, version: str = "1") -> Event:
    content = {"urn": f"urn:li:leadGenFormResponse:{lead_id}", "form_id": "77", "form_version": version}
    return Event(f"k{lead_id}", "LEAD_ACTION.CREATED", content, needs_enrich=True)


def thin_constituent(number: str) -> Event:
    return Event(
        f"k{number}", "com.blackbaud.constituent.add.v1", {"constituent_id": number}, needs_enrich=True
    )


def enrich(source: BaseSource, event: Event, config: SourceConfig) -> Event:
    return source.enrich(event, config, client_for(source, config))


def test_a_form_of_linkedin_is_asked_for_once_for_each_version() -> None:
    form = {"questions": [{"questionId": 1, "predefinedField": "FIRST_NAME"}]}
    api = Api({f"{LEADS}{each}": lead(each) for each in ("a", "b", "c")} | {f"{FORMS}77": form})
    source: BaseSource = LinkedIn()

    with running(api, "s", {}, access_token=("t",)) as config:
        found = [enrich(source, thin_lead(each), config) for each in ("a", "b")]
        enrich(source, thin_lead("c", "2"), config)

    assert [event.content["fields"] for event in found] == [{"first_name": "Bo"}] * 2
    assert api.paths() == [f"{LEADS}a", f"{FORMS}77", f"{LEADS}b", f"{LEADS}c", f"{FORMS}77"]


def test_linkedin_is_asked_with_its_headers_and_each_token_until_one_is_accepted() -> None:
    api = Api({f"{LEADS}a": lead("a"), f"{FORMS}77": {"questions": []}})
    api.refused = {"newest"}

    with running(api, "s", {"api_version": "202608"}, access_token=("newest", "older")) as config:
        enrich(LinkedIn(), thin_lead("a"), config)

    _, headers = api.asked[1]
    assert (headers["authorization"], headers["linkedin-version"]) == ("Bearer older", "202608")
    assert headers["x-restli-protocol-version"] == "2.0.0"
    assert all("token" not in path and "older" not in path for path, _ in api.asked)


def test_a_retired_version_of_linkedin_s_api_pauses_the_source() -> None:
    api = Api({})
    api.status = (426, {})

    with running(api, "s", {}, access_token=("t",)) as config, pytest.raises(EnrichError) as caught:
        enrich(LinkedIn(), thin_lead("a"), config)

    assert caught.value.outcome == "blocked_credentials"


def test_linkedin_reads_the_structure_of_a_query_as_rest_li_writes_it() -> None:
    api = Api({"/rest/leadFormResponses": {"elements": [lead("a")]}})
    source: BaseSource = LinkedIn()

    with running(api, "s", {"owners": "urn:li:sponsoredAccount:5"}, access_token=("t",)) as config:
        page = source.backfill(config, SINCE, "", client_for(source, config))

    query = urlsplit(api.asked[0][0]).query
    assert "owner=(sponsoredAccount:urn%3Ali%3AsponsoredAccount%3A5)" in query
    assert "submittedAtTimeRange=(start:1793491200000)" in query
    assert "leadType=(leadType:SPONSORED)" in query
    assert page.cursor == ""
    request = RawRequest("POST", "", (("content-type", page.content_type),), page.bodies[0])
    assert source.split(request, config).events[0].key == "urn:li:leadGenFormResponse:a:CREATED"


@pytest.mark.parametrize("cursor", ["junk", "99:0", "0:junk", "::"])
def test_a_cursor_that_means_nothing_is_no_trouble(cursor: str) -> None:
    api = Api({"/rest/leadFormResponses": {"elements": []}})
    source: BaseSource = LinkedIn()

    with running(api, "s", {"owners": "urn:li:sponsoredAccount:5"}, access_token=("t",)) as config:
        assert source.backfill(config, SINCE, cursor, client_for(source, config)).cursor == ""


def test_blackbaud_is_asked_with_its_subscription_key() -> None:
    api = Api({"/constituent/v1/constituents/7": {"id": "7", "type": "Individual"}})

    with running(api, "s", {}, access_token=("t",), subscription_key=("key",)) as config:
        found = enrich(Blackbaud(), thin_constituent("7"), config)

    assert found.content["person_type"] == "Individual"
    assert {headers["bb-api-subscription-key"] for _, headers in api.asked} == {"key"}
    assert len(api.asked) == 6


@pytest.mark.parametrize(
    ("headers", "outcome"), [({}, "blocked_credentials"), ({"Retry_After": "60"}, "waiting_enrich")]
)
def test_blackbaud_s_daily_quota_waits_and_a_missing_permission_pauses(
    headers: dict[str, str], outcome: str
) -> None:
    api = Api({})
    api.status = (403, headers)

    with (
        running(api, "s", {}, access_token=("t",), subscription_key=("key",)) as config,
        pytest.raises(EnrichError) as caught,
    ):
        enrich(Blackbaud(), thin_constituent("7"), config)

    assert caught.value.outcome == outcome
    assert caught.value.retry_after_seconds == (60.0 if headers else None)


def test_the_next_page_of_blackbaud_is_asked_for_as_it_was_named() -> None:
    path = "/constituent/v1/constituents"
    following = (
        f"https://evil.example{path}?last_modified=2026-11-01T00%3A00%3A00%2B00%3A00&sort_token=a%2Bb%2F%3D"
    )
    api = Api(
        {path: {"next_link": following, "value": [{"id": "7", "date_modified": "2026-11-20T10:00:00Z"}]}}
    )
    source: BaseSource = Blackbaud()

    with running(api, "s", {"environment_id": "p-1"}, access_token=("t",), subscription_key=("k",)) as config:
        client = client_for(source, config)
        first = source.backfill(config, SINCE, "", client)
        second = source.backfill(config, SINCE, first.cursor, client)

    assert dict(parse_qsl(urlsplit(api.asked[1][0]).query)) == {
        "last_modified": "2026-11-01T00:00:00+00:00",
        "sort_token": "a+b/=",
    }
    assert second.cursor == ""  # the same page again would never end


def test_x_says_whether_its_webhook_is_valid() -> None:
    api = Api({"/2/webhooks": {"data": [{"url": "https://m.example/hooks/our_x", "valid": True}]}})
    source: BaseSource = X()

    with running(api, "our_x", {}, bearer_token=("b",)) as config:
        assert source.health(config, client_for(source, config)).state == "alive"

    assert api.asked[0][1]["authorization"] == "Bearer b"


def test_the_keys_of_an_encrypted_chat_are_stored_nowhere_and_posts_as_they_came() -> None:
    secrets = dict.fromkeys(CHAT_SECRETS, "very-secret")
    chat = {
        "data": {
            "event_type": "chat.received",
            "event_uuid": "1",
            "payload": {"sender_id": "7", "id": "c", **secrets},
        }
    }
    post = b'{ "data": {"event_type": "post.create", "payload": {"id": "1", "author_id": "2", "conversation_id": "1"}}}'
    source: BaseSource = X()
    keeping = SourceConfig("s", {"keeps_private_text": "yes"})

    def stored(body: bytes) -> bytes:
        return source.stored_body(
            RawRequest("POST", "", (("content-type", "application/json"),), body), keeping
        )

    assert b"very-secret" not in stored(json.dumps(chat).encode())
    assert stored(post) == post
