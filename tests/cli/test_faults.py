"""However a command ends: one sentence, a next step, and an exit code that means something."""

import json

import pytest
from sqlalchemy import text

from mappings.language.presets import find_preset


def write(folder, content, name="mapping.yaml"):
    path = folder / name
    path.write_text(content)
    return str(path)


@pytest.mark.parametrize(
    "words",
    [
        ("contacts", "find", "--limit", "-1"),
        ("contacts", "find", "--limit", str(10**20)),
        ("contacts", "show", str(10**20)),
        ("contacts", "show", "0"),
        ("contacts", "merge", "1", str(2**63)),
        ("replay", "--event", str(10**20)),
        ("map", "rollback", "form", str(10**20)),
        ("deadletters", "list", "--limit", "0"),
        ("sync", "runs", "--limit", "1001"),
        ("sources", "set", "form", "no-pair"),
        ("sources", "rotate", "form", "--grace-hours", "1e300"),
        ("sources", "rotate", "form", "--grace-hours", "nan"),
        ("nowhere",),
    ],
)
@pytest.mark.parametrize("is_json", [False, True])
def test_wrong_words_end_with_64_before_the_database_is_asked(call, monkeypatch, words, is_json):
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")

    ended = call(*words, *(["--json"] if is_json else []))

    assert 64 == ended.code
    assert not is_json or {"error", "hint", "problems"} == set(json.loads(ended.err))


@pytest.mark.parametrize(
    ("words", "near"),
    [(("contcts",), "contacts"), (("sources", "shwo"), "show"), (("synk", "--json"), "sync")],
)
def test_a_command_that_is_not_there_names_the_nearest(call, words, near):
    ended = call(*words)

    assert (64, True) == (ended.code, near in ended.err)


def test_a_failing_test_of_a_mapping_ends_with_65(call, tmp_path):
    preset = find_preset("website").text

    ended = call("map", "test", write(tmp_path, preset.replace("country: GB}", "country: FR}")), "--json")

    assert 65 == ended.code
    assert False in [one["is_passed"] for one in json.loads(ended.out)]


def test_lint_with_problems_ends_with_65_in_json_too(call, tmp_path):
    ended = call("map", "lint", write(tmp_path, "mapping: 1\nfruit: apple\n"), "--json")

    assert 65 == ended.code
    assert json.loads(ended.out)


@pytest.mark.parametrize("is_json", [False, True])
def test_a_document_that_is_no_mapping_lists_its_problems(call, tmp_path, is_json):
    path = write(tmp_path, "mapping: 1\nfruit: apple\n")

    ended = call("map", "test", path, *(["--json"] if is_json else []))

    assert 65 == ended.code
    assert "fruit" in ended.err
    assert not is_json or json.loads(ended.err)["problems"]


def test_a_database_without_tables_says_to_migrate(call, settings, engine, monkeypatch):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS bare"))
        connection.execute(text("CREATE DATABASE bare"))
    monkeypatch.setenv("DATABASE_URL", settings.postgres_url.replace("/muster?", "/bare?"))

    ended = call("contacts", "find")

    assert 78 == ended.code
    assert "muster migrate" in ended.err


def test_a_database_that_is_away_ends_with_69(call, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")

    ended = call("contacts", "find", "--json")

    assert 69 == ended.code
    assert "does not answer" in json.loads(ended.err)["error"]


@pytest.mark.parametrize("trace", ["", "1"])
def test_a_fault_of_our_own_is_one_sentence_unless_the_trace_is_asked_for(call, monkeypatch, trace):
    def fail():
        raise KeyError("ana@mail.example")

    monkeypatch.setattr("app.cli.contacts.open_runtime", fail)
    monkeypatch.setenv("MUSTER_TRACE", trace)

    ended = call("contacts", "find")

    assert 70 == ended.code
    assert "Error: Muster met a fault of its own (KeyError)." in ended.err
    assert bool(trace) == ("Traceback" in ended.err)
    assert bool(trace) == ("ana@mail.example" in ended.err)


def test_a_file_that_cannot_be_read_ends_with_74_and_its_name(call, monkeypatch):
    def fail():
        raise PermissionError(13, "Permission denied", "/srv/list.csv")

    monkeypatch.setattr("app.cli.lists.open_runtime", fail)

    ended = call("lists", "runs")

    assert (74, True) == (ended.code, "/srv/list.csv: Permission denied." in ended.err)


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "--source", "nope"),
        ("replay", "--event", "999999"),
        ("replay", "--delivery", "999999", "--dry-run"),
        ("sources", "conflicts", "nope"),
        ("contacts", "show", str(2**63 - 1)),
    ],
)
def test_what_does_not_exist_ends_with_66(call, sessions, words):
    ended = call(*words, "--json")

    assert 66 == ended.code
    assert "There is no" in json.loads(ended.err)["error"]


@pytest.mark.parametrize(
    "words",
    [
        ("contacts", "find", "9" * 40),
        ("contacts", "find", "\udcff"),
        ("contacts", "merge", "1", "1"),
        ("deadletters", "show", f"event:{10**20}"),
        ("deadletters", "show", "nonsense"),
        ("deadletters", "list", "--cursor", "nonsense"),
        ("deadletters", "list", "--source", "nope"),
        ("sources", "add", "website", "form", "--set", "trust=" + "9" * 30),
        ("sources", "add", "website", "form", "--set", "thank_you_url=\udcff"),
        ("lists", "run", __file__, "--encoding", "nonsense"),
        ("lists", "run", __file__, "--preset", "nonsense"),
        ("lists", "run", __file__, "--as-of", "0001-01-01"),
        ("map", "rollback", "nope", "1"),
        ("audiences", "show", "nope"),
    ],
)
def test_nonsense_is_never_a_fault_of_our_own(call, sessions, words):
    ended = call(*words, "--json")

    assert ended.code in {0, 64, 65, 66}, ended.err
    assert "Traceback" not in ended.err


def test_a_wrong_setting_ends_with_78_and_its_name(call, monkeypatch):
    monkeypatch.setenv("PORT", "99999")

    ended = call("status")

    assert (78, True) == (ended.code, "PORT" in ended.err)


def test_slugs_complete_and_are_silent_while_the_database_is_away(call, session, sessions, monkeypatch):
    from app.cli.slugs import complete_audience, complete_source

    call("sources", "add", "website", "form_a")
    call("sources", "add", "website", "formb")

    assert ["form_a", "formb"] == complete_source(None, None, "form")
    assert ["form_a"] == complete_source(None, None, "form_")
    assert [] == complete_audience(None, None, "")
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/nowhere")
    assert [] == complete_source(None, None, "form")
