"""A trial shows every stage of a sample and leaves nothing behind."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.audiences.bootstrap import ensure_simulated_audience
from app.core.runtime import Runtime
from app.inbox.sample import SampleHead, sample_request
from app.sources.configure import add_source
from app.trial import trial_as_json, try_delivery

FORM = b"email=ana%40mail.example&name=Ana+Ruiz&newsletter=yes"
COUNTED = (
    "deliveries",
    "events",
    "contacts",
    "contact_patches",
    "consent_evidence",
    "timeline_entries",
    "changes",
    "attempts",
)


@pytest.fixture
def runtime(settings, sessions) -> Runtime:
    runtime = Runtime(settings)
    with runtime.transaction() as session:
        ensure_simulated_audience(session, settings, runtime.box)
        add_source(session, runtime.box, "website", "form", {})
        add_source(session, runtime.box, "meta_leads", "leads", {"app_secret": "s"})
        session.execute(text("DELETE FROM changes"))
    yield runtime
    runtime.engine.dispose()


def counts(runtime: Runtime) -> list[int]:
    with runtime.transaction() as session:
        return [session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in COUNTED]


def trial(runtime: Runtime, slug: str, body: bytes, suffix: str) -> dict:
    request = sample_request(body, SampleHead(), datetime.now(UTC), suffix=suffix)
    return json.loads(json.dumps(trial_as_json(try_delivery(runtime, slug, request))))


def test_every_stage_is_shown_and_nothing_is_written(runtime):
    before = counts(runtime)

    found = trial(runtime, "form", FORM, ".form")

    [step] = found["steps"]
    assert ("recorded", True, "ana@mail.example") == (
        step["outcome"],
        step["is_new_contact"],
        step["patches"][0]["fields"]["email"],
    )
    assert [("newsletter", "upsert", "subscribed", "Ana")] == [
        (one["audience"], one["kind"], one["status"], one["merge_fields"]["FNAME"])
        for one in step["operations"]
    ]
    assert before == counts(runtime)


def test_a_rejected_event_names_the_problem(runtime):
    [step] = trial(runtime, "form", b"name=Ana", ".form")["steps"]

    assert ("dead letter", "required", []) == (step["outcome"], step["problem"]["code"], step["operations"])


def test_a_thin_event_waits_unless_it_is_fetched(runtime):
    body = (
        b'{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"leadgen",'
        b'"value":{"leadgen_id":"44","form_id":"2","created_time":1762000000,"page_id":"1"}}]}]}'
    )

    found = trial(runtime, "leads", body, ".json")

    assert ["waits to be fetched from the platform's API"] == [step["outcome"] for step in found["steps"]]
    assert not found["verdict"]["is_ok"]


def test_junk_is_an_answer(runtime):
    found = trial(runtime, "form", b"\xff\xfe{", ".json")

    assert found["unreadable"]["reason"]
    assert [] == found["steps"]
