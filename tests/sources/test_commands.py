"""`muster sources`, `deadletters` and `replay`, as people and programs call them."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from app.cli.deadletters import deadletters, replay
from app.cli.run import migrate
from app.cli.sources import sources
from app.core.db import transaction
from app.core.errors import InvalidError, NotFoundError
from app.core.migrate import head_revision
from app.core.runtime import Runtime


@pytest.fixture
def run(settings, sessions, monkeypatch):
    """Call a command; its standard output, as JSON where JSON was asked for."""
    runtime = Runtime(replace(settings, public_url="https://muster.example.test"))
    for module in ("sources", "deadletters", "run"):
        monkeypatch.setattr(f"app.cli.{module}.open_runtime", lambda: runtime)

    def call(command, *arguments):
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    yield call
    runtime.engine.dispose()
    runtime.redis.close()


def test_adding_a_source_answers_address_and_secret(run):
    added = run(
        sources,
        "add",
        "website",
        "form",
        "--set",
        "thank_you_url=https://www.college.example/thanks",
        "--json",
    )

    assert added["slug"] == "form"
    assert added["hook_url"] == f"https://muster.example.test/hooks/form/{added['secret']}"
    assert (
        run(sources, "show", "form", "--json")["settings"]["thank_you_url"]
        == "https://www.college.example/thanks"
    )


def test_people_see_the_same(run):
    spoken = run(sources, "add", "standard_webhooks", "app", "--label", "Our app")

    assert "hook_url  https://muster.example.test/hooks/app" in spoken
    assert "whsec_" in spoken
    assert "Our app" in run(sources, "list")
    assert "max_body_bytes  1048576" in run(sources, "show", "app")


def test_a_source_is_switched_set_and_rotated(run):
    first = run(sources, "add", "standard_webhooks", "app", "--json")["secret"]

    run(sources, "disable", "app")
    assert run(sources, "list", "--json")[0]["is_enabled"] is False
    run(sources, "enable", "app")
    run(sources, "set", "app", "max_body_bytes=5000")
    rotated = run(sources, "rotate", "app", "--json")
    shown = run(sources, "show", "app", "--json")
    assert rotated["secret"] != first
    assert (shown["is_enabled"], shown["max_body_bytes"], len(shown["secrets"])) == (True, 5000, 2)


def test_what_cannot_be_is_said_with_the_next_step(run):
    with pytest.raises(InvalidError, match="1 setting"):
        run(sources, "add", "meta_leads", "meta")
    with pytest.raises(NotFoundError):
        run(sources, "show", "nobody")


def test_conflicts_and_rejections_are_shown(run, sessions):
    run(sources, "add", "standard_webhooks", "app")
    with transaction(sessions) as session:
        session.execute(
            text(
                "INSERT INTO delivery_conflicts (source_id, key, body, body_sha256) VALUES (1, 'msg_1', 'abc', 'x')"
            )
        )
        session.execute(
            text(
                "INSERT INTO rejections (source_id, day, reason, count) VALUES (1, current_date, 'not verified', 3)"
            )
        )

    assert [(row["key"], row["byte_count"]) for row in run(sources, "conflicts", "--json")] == [("msg_1", 3)]
    assert "3 x not verified" in run(sources, "show", "app")


@pytest.fixture
def dead(run, sessions):
    run(sources, "add", "standard_webhooks", "app")
    with transaction(sessions) as session:
        session.execute(
            text("""INSERT INTO events (source_id, key, kind, content, state, settled_at, error)
                 VALUES (1, 'k', 'signup', '{}', 'dead', now(), '{"code": "no_identity", "reason": "Nobody.", "hint": "Mend it."}')""")
        )


def test_dead_letters_are_listed_shown_and_replayed(run, dead):
    assert "Nobody." in run(deadletters)
    assert run(deadletters, "--json")["letters"][0]["name"] == "event:1"
    assert "muster replay --event 1" in run(deadletters, "show", "event:1")
    assert run(replay, "--dead", "--dry-run", "--json")["event_count"] == 1
    assert run(replay, "--dead", "--json")["event_count"] == 1
    assert run(replay, "--dead", "--json")["event_count"] == 0
    assert run(deadletters).strip() == "No dead letters."


def test_a_replay_of_nothing_named_is_a_usage_error():
    assert CliRunner().invoke(replay, []).exit_code == 2


def test_migrate_says_where_the_database_is(run, database_url):
    assert run(migrate, "--json") == {"revision": head_revision()}
