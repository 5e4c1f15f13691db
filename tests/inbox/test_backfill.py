"""What a platform kept for us comes in once, beside what its webhook brought; trouble is named and loses nothing."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.core.runtime import Runtime
from app.inbox.backfill import backfill
from app.inbox.watch import check_source, list_source_troubles
from app.pipeline import apply_events, split_deliveries
from app.sources.configure import add_source
from app.sources.loaded import LoadedSource, load_sources
from integrations.kit.base import BaseSource
from integrations.kit.contract import BackfillPage, Event, Health, SourceConfig, Split
from integrations.kit.strict_json import load_json
from tests.kit.api import api_answering

SINCE = datetime(2026, 11, 1, tzinfo=UTC)


class Kept(BaseSource):
    """A platform that keeps its answers, two a page."""

    name = "website"
    label = "Kept"
    api_host = "api.kept.example"
    api_base_setting = "api_base"
    is_thin = True
    can_backfill = True

    def split(self, request: Any, config: SourceConfig) -> Split:
        body = load_json(request.body)
        return Split((Event(body["id"], "answer", body, SINCE),))

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Any) -> BackfillPage:
        answer = client.get_json("/answers", {"since": since.isoformat(), "page": cursor or "1"}, {})
        return BackfillPage(
            tuple(json.dumps(one).encode() for one in answer["items"]), answer.get("next", "")
        )

    def health(self, config: SourceConfig, client: Any) -> Health:
        is_on = client.get_json("/hook", {}, {})["enabled"]
        return Health("alive") if is_on else Health("dead", "the webhook is switched off", "Switch it on.")


@pytest.fixture
def runtime(settings, sessions) -> Runtime:
    runtime = Runtime(settings)
    with runtime.transaction() as session:
        add_source(session, runtime.box, "website", "kept", {})
    yield runtime
    runtime.engine.dispose()


def kept(runtime: Runtime, url: str) -> LoadedSource:
    with runtime.transaction() as session:
        [row] = load_sources(session, runtime.box)
    config = SourceConfig("kept", {"api_base": url}, row.config.secrets)
    return LoadedSource(row.id, "kept", "website", Kept(), config, is_enabled=True, max_body_bytes=1 << 20)


def people(*names: str) -> list[dict[str, str]]:
    return [{"id": name, "email": f"{name}@mail.example"} for name in names]


def drain(runtime: Runtime, loaded: LoadedSource, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("app.pipeline.sources_by_id", lambda _: {loaded.id: loaded})
    while (split := split_deliveries(runtime)).count or apply_events(runtime, split.held).count:
        apply_events(runtime, split.held)
    with runtime.transaction() as session:
        return session.execute(text("SELECT count(*) FROM contacts")).scalar_one()


def test_pages_are_stored_one_after_the_other_and_a_second_time_brings_nothing(runtime, monkeypatch):
    pages = {"1": {"items": people("ana", "bo"), "next": "2"}, "2": {"items": people("cy")}}
    with api_answering(lambda _m, path, _b: (200, pages[path[-1]])) as api:
        loaded = kept(runtime, api.url)

        first, second = backfill(runtime, loaded, SINCE), backfill(runtime, loaded, SINCE)

    assert [(2, 3, 3), (2, 3, 0)] == [
        (one.page_count, one.body_count, one.new_count) for one in (first, second)
    ]
    assert 3 == drain(runtime, loaded, monkeypatch)


def test_what_came_before_a_failure_is_kept_and_the_failure_is_named(runtime):
    def answer(_method: str, path: str, _body: bytes) -> tuple[int, Any]:
        return (200, {"items": people("ana"), "next": "2"}) if path.endswith("page=1") else (503, {})

    with api_answering(answer) as api:
        counts = backfill(runtime, kept(runtime, api.url), SINCE)

    assert (1, True) == (counts.new_count, "503" in counts.failure)
    with runtime.transaction() as session:
        assert [None] == list(session.scalars(text("SELECT backfilled_until FROM sources")))


def test_a_refused_token_pauses_the_source_with_one_alert(runtime):
    with api_answering(lambda *_: (401, {})) as api:
        for _ in range(2):
            backfill(runtime, kept(runtime, api.url), SINCE)

    with runtime.transaction() as session:
        assert [1] == list(
            session.scalars(text("SELECT count(*) FROM audit_entries WHERE action = 'source.pause'"))
        )
        assert ["paused"] == [trouble.code for trouble in list_source_troubles(session)]


def test_a_subscription_that_is_off_is_told_once_and_forgotten_when_it_is_on_again(runtime):
    state = {"enabled": False}
    with api_answering(lambda *_: (200, state)) as api:
        loaded = kept(runtime, api.url)
        for _ in range(2):
            check_source(runtime, loaded)
        with runtime.transaction() as session:
            [trouble] = list_source_troubles(session)
            alerts = session.execute(
                text("SELECT count(*) FROM audit_entries WHERE action = 'source.dead'")
            ).scalar_one()
        state["enabled"] = True
        check_source(runtime, loaded)

    assert ("dead", "the webhook is switched off", 1) == (trouble.code, trouble.reason, alerts)
    with runtime.transaction() as session:
        assert [] == list_source_troubles(session)


def test_a_busy_source_that_falls_silent_is_told(runtime):
    now = datetime.now(UTC)
    with runtime.transaction() as session:
        source_id = session.execute(text("SELECT id FROM sources")).scalar_one()
        moments = [now - timedelta(hours=26 + 2 * number) for number in range(12 * 33)]
        session.execute(
            text(
                "INSERT INTO deliveries (source_id, key, method, content_type, body, body_sha256, received_at, settled_at)"
                " SELECT :id, n::text, 'POST', '', '', sha256(''), at, now()"
                " FROM unnest(CAST(:moments AS timestamptz[])) WITH ORDINALITY AS m(at, n)"
            ),
            {"id": source_id, "moments": moments},
        )
    with api_answering(lambda *_: (200, {"enabled": True})) as api:
        check_source(runtime, kept(runtime, api.url))

    with runtime.transaction() as session:
        assert [("silent", "usually brings 12 a day, none for 26 hours")] == [
            (trouble.code, trouble.reason) for trouble in list_source_troubles(session)
        ]
