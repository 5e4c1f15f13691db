"""From a stored delivery to a contact and a change for the audience, on a real database."""

import json
from urllib.parse import urlencode

import psycopg
import pytest
from sqlalchemy import text

from app.audiences.bootstrap import ensure_simulated_audience
from app.contacts.erase import erase_contact
from app.core.runtime import Runtime
from app.inbox.bury import LostLeaseError
from app.inbox.fetching import enrich_events
from app.inbox.replay import replay_deliveries
from app.pipeline import apply_events, split_deliveries
from app.sources.configure import add_source
from app.sources.mappings import publish_mapping
from tests.kit.graph import graph_answering


@pytest.fixture
def runtime(settings, sessions) -> Runtime:
    runtime = Runtime(settings)
    with runtime.transaction() as session:
        ensure_simulated_audience(session, settings, runtime.box)
        session.execute(text("DELETE FROM changes"))
    yield runtime
    runtime.engine.dispose()


DELIVERY = text("""
    INSERT INTO deliveries (source_id, key, method, content_type, body, body_sha256)
    SELECT id, :key, 'POST', :content_type, :body, sha256(:body) FROM sources WHERE slug = :slug
""")


def deliver(runtime: Runtime, slug: str, key: str, body: bytes, content_type: str) -> None:
    with runtime.transaction() as session:
        session.execute(DELIVERY, {"key": key, "content_type": content_type, "body": body, "slug": slug})


def deliver_form(runtime: Runtime, key: str, **fields: str) -> None:
    deliver(runtime, "form", key, urlencode(fields).encode(), "application/x-www-form-urlencoded")


def drain(runtime: Runtime) -> None:
    is_busy = True
    while is_busy:
        split = split_deliveries(runtime)
        applied = apply_events(runtime, split.held)
        is_busy = bool(split.count or applied.count or enrich_events(runtime))


def select(runtime: Runtime, query: str) -> list[tuple]:
    with runtime.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


@pytest.fixture
def form(runtime):
    with runtime.transaction() as session:
        add_source(session, runtime.box, "website", "form", {})


def test_two_spellings_become_one_contact_and_one_change(runtime, form):
    deliver_form(runtime, "1", name="Ana López", email="Ana.Lopez@mail.example", newsletter="yes")
    deliver_form(runtime, "2", name="ANA LOPEZ", email="ana.lopez@MAIL.example ", newsletter="on")

    drain(runtime)

    assert [(1,)] == select(runtime, "SELECT count(*) FROM contacts")
    assert [("given",)] == select(runtime, "SELECT status FROM consents")
    assert [(1,)] == select(runtime, "SELECT count(*) FROM changes")
    assert [("done", 2)] == select(runtime, "SELECT state, count(*) FROM events GROUP BY 1")


def test_what_cannot_be_read_becomes_a_dead_letter_and_holds_nobody_up(runtime, form):
    deliver(runtime, "form", "bad", b"\xff\xfe{", "application/json")
    deliver_form(runtime, "good", email="bo@mail.example")

    drain(runtime)

    assert [("bad", "dead"), ("good", "done")] == select(
        runtime, "SELECT key, state FROM deliveries ORDER BY key"
    )
    [(error,)] = select(runtime, "SELECT error FROM deliveries WHERE state = 'dead'")
    assert error["reason"]
    assert error["hint"]
    assert [(1,)] == select(runtime, "SELECT count(*) FROM contacts")


def test_a_form_without_an_address_is_a_dead_letter_that_names_the_field(runtime, form):
    deliver_form(runtime, "1", name="Nobody")

    drain(runtime)

    [(error,)] = select(runtime, "SELECT error FROM events WHERE state = 'dead'")
    assert ("required", "email") == (error["code"], error["field"])


def test_an_event_names_the_version_that_mapped_it(runtime, form):
    deliver_form(runtime, "1", email="bo@mail.example")
    drain(runtime)
    with runtime.transaction() as session:
        [(source_id, document)] = session.execute(
            text("SELECT source_id, document FROM mapping_versions")
        ).all()
        publish_mapping(session, source_id, document, note="again", author="test")
    deliver_form(runtime, "2", email="cy@mail.example")

    drain(runtime)

    rows = (
        "SELECT v.number FROM events e JOIN mapping_versions v ON v.id = e.mapping_version_id ORDER BY e.id"
    )
    assert [(1,), (2,)] == select(runtime, rows)


def test_the_same_event_in_two_deliveries_has_one_effect(runtime):
    with graph_answering({}) as graph, runtime.transaction() as session:
        add_source(
            session,
            runtime.box,
            "meta_leads",
            "meta",
            {"app_secret": "s" * 16, "page_token": "p" * 16, "graph_base_url": graph},
        )
    change = {
        "field": "leadgen",
        "value": {"leadgen_id": "5", "page_id": "1", "form_id": "2", "created_time": 1763628554},
    }
    for key, entries in (("a", [change]), ("b", [change, change])):
        body = json.dumps(
            {"object": "page", "entry": [{"id": "1", "time": 1763628555, "changes": entries}]}
        ).encode()
        deliver(runtime, "meta", key, body, "application/json")

    split_deliveries(runtime)

    assert [("waiting_enrich", 1)] == select(runtime, "SELECT state, count(*) FROM events GROUP BY 1")


def test_refused_credentials_pause_the_source_once_and_lose_nothing(runtime, monkeypatch):
    lead = {
        "id": "5",
        "form_id": "2",
        "created_time": "2026-11-20T08:49:14+0000",
        "field_data": [{"name": "email", "values": ["le@mail.example"]}],
    }
    with graph_answering({}, status=401) as closed:
        with runtime.transaction() as session:
            add_source(
                session,
                runtime.box,
                "meta_leads",
                "meta",
                {"app_secret": "s" * 16, "page_token": "p" * 16, "graph_base_url": closed},
            )
        changes = [
            {
                "field": "leadgen",
                "value": {"leadgen_id": lead_id, "page_id": "1", "form_id": "2", "created_time": 1763628554},
            }
            for lead_id in "56"
        ]
        body = json.dumps(
            {"object": "page", "entry": [{"id": "1", "time": 1763628555, "changes": changes}]}
        ).encode()
        deliver(runtime, "meta", "a", body, "application/json")
        drain(runtime)

    assert [("blocked", 2)] == select(runtime, "SELECT state, count(*) FROM events GROUP BY 1")
    assert [(1,)] == select(runtime, "SELECT count(*) FROM audit_entries WHERE action = 'source.pause'")

    with graph_answering({"5": lead, "6": {**lead, "id": "6"}}) as mended:
        with runtime.transaction() as session:
            session.execute(
                text(
                    "UPDATE sources SET paused_at = NULL, settings = settings || jsonb_build_object('graph_base_url', CAST(:url AS text))"
                ),
                {"url": mended},
            )
            session.execute(text("UPDATE events SET next_attempt_at = now()"))
        drain(runtime)

    assert [("done", 2)] == select(runtime, "SELECT state, count(*) FROM events GROUP BY 1")


def test_a_lease_that_was_taken_over_commits_nothing(runtime, form):
    deliver_form(runtime, "1", email="bo@mail.example")
    split = split_deliveries(runtime)
    with runtime.transaction() as session:
        session.execute(text("UPDATE events SET lease_token = gen_random_uuid()"))

    with pytest.raises(LostLeaseError):
        apply_events(runtime, split.held)

    assert [(0,)] == select(runtime, "SELECT count(*) FROM contacts")


def test_an_erased_person_who_knocks_again_leaves_no_trace(runtime, form):
    deliver_form(runtime, "1", name="Ana López", email="ana@mail.example", newsletter="yes")
    drain(runtime)
    with runtime.transaction() as session:
        [(contact_id,)] = session.execute(text("SELECT id FROM contacts")).all()
        erase_contact(session, contact_id, runtime.box, "asked")

    deliver_form(runtime, "2", name="Ana López", email="ANA@mail.example", newsletter="yes")
    drain(runtime)

    assert [("ignored",)] == select(runtime, "SELECT state FROM events ORDER BY id DESC LIMIT 1")
    assert [] == select(runtime, "SELECT id FROM events WHERE content::text ILIKE '%ana@mail%'")
    assert [] == select(
        runtime, "SELECT id FROM deliveries WHERE encode(body, 'escape') ILIKE '%mail.example%'"
    )
    assert [(0,)] == select(runtime, "SELECT count(*) FROM contacts WHERE state = 'active'")


def test_what_a_dead_worker_held_is_applied_when_its_lease_runs_out(runtime, form):
    deliver_form(runtime, "1", email="bo@mail.example")
    lost = split_deliveries(runtime).held
    nothing_yet = apply_events(runtime).count
    with runtime.transaction() as session:
        session.execute(text("UPDATE events SET leased_until = now() - interval '1 second'"))

    assert (1, 0, 1) == (len(lost), nothing_yet, apply_events(runtime).count)
    assert [("done", 2)] == select(runtime, "SELECT state, attempt_count FROM events")


def test_what_lies_about_is_applied_together_with_what_is_held(runtime, form):
    deliver_form(runtime, "1", email="bo@mail.example")
    split_deliveries(runtime)
    with runtime.transaction() as session:
        session.execute(text("UPDATE events SET lease_token = NULL, leased_until = NULL"))
    deliver_form(runtime, "2", email="cy@mail.example")

    applied = apply_events(runtime, split_deliveries(runtime).held)

    assert 2 == applied.count
    assert [("done", 2)] == select(runtime, "SELECT state, count(*) FROM events GROUP BY 1")


def test_a_delivery_that_is_done_again_replaces_what_it_said(runtime, form):
    deliver_form(runtime, "1", email="bo@mail.example", name="Bo Ek", newsletter="yes")
    drain(runtime)
    with runtime.transaction() as session:
        replay_deliveries(session, [session.scalar(text("SELECT id FROM deliveries"))])

    drain(runtime)

    assert [("done", 1)] == select(runtime, "SELECT state, count(*) FROM events GROUP BY 1")
    assert [(1,)] == select(runtime, "SELECT count(*) FROM contact_patches")
    assert [(1,)] == select(runtime, "SELECT count(*) FROM consent_evidence")


def test_what_kills_its_worker_again_and_again_is_given_up(runtime, form):
    deliver_form(runtime, "1", email="bo@mail.example")
    split_deliveries(runtime)
    with runtime.transaction() as session:
        session.execute(text("UPDATE events SET attempt_count = 5, lease_token = NULL, leased_until = NULL"))

    apply_events(runtime)

    [(state, error)] = select(runtime, "SELECT state, error FROM events")
    assert ("dead", "poison") == (state, error["code"])


@pytest.mark.parametrize(
    "trouble", [psycopg.errors.DeadlockDetected, psycopg.errors.QueryCanceled, psycopg.errors.DiskFull]
)
def test_passing_trouble_of_the_database_blames_no_event_and_gives_them_back(
    runtime, form, monkeypatch, trouble
):
    deliver_form(runtime, "1", email="bo@mail.example")
    split_deliveries(runtime)
    with runtime.transaction() as session:
        session.execute(text("UPDATE events SET attempt_count = 0, lease_token = NULL, leased_until = NULL"))

    def fail(*_words):
        raise trouble

    with monkeypatch.context() as broken:
        broken.setattr("app.pipeline.record", fail)
        with pytest.raises(psycopg.OperationalError):
            apply_events(runtime)

    assert [("new", None, 0)] == select(runtime, "SELECT state, lease_token, attempt_count FROM events")
    with runtime.transaction() as session:
        session.execute(text("UPDATE events SET next_attempt_at = now()"))
    drain(runtime)
    assert [(1,)] == select(runtime, "SELECT count(*) FROM contacts")
