"""`muster integrations`: what a captured body is to Muster, and a new platform that is green from its first minute."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.inbox.sample import guess_type, read_head

ROOT = Path(__file__).parents[2]
LEAD = '{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"leadgen","value":{"leadgen_id":"44","form_id":"2","created_time":1762000000,"page_id":"1"}}]}]}'


def test_a_captured_body_is_read_without_any_database(call, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    body = tmp_path / "form.form"
    body.write_bytes(b"email=ana%40mail.example&name=Ana+Ruiz")

    found = json.loads(call("integrations", "read", "website", str(body), "--json").out)

    assert ["the source has no usable secret", "ana@mail.example", "Ana"] == [
        found["verdict"]["reason"],
        found["patches"][0]["fields"]["email"],
        found["patches"][0]["fields"]["first_name"],
    ]


def test_a_thin_event_says_that_it_must_be_fetched(call, tmp_path):
    body = tmp_path / "lead.json"
    body.write_text(LEAD)

    found = json.loads(call("integrations", "read", "meta_leads", str(body), "--json").out)

    assert [("44", True, "waits to be fetched from the platform's API")] == [
        (event["key"], event["needs_enrich"], event["outcome"]) for event in found["events"]
    ]


def test_a_body_nobody_can_read_is_an_answer_and_no_failure(call, tmp_path):
    body = tmp_path / "junk.json"
    body.write_bytes(b"\xff\xfe{")

    ended = call("integrations", "read", "meta_leads", str(body), "--json")

    assert 0 == ended.code
    assert "UTF-8" in json.loads(ended.out)["unreadable"]["reason"]


def test_an_unknown_integration_names_those_there_are(call, tmp_path):
    body = tmp_path / "x.json"
    body.write_text("{}")

    ended = call("integrations", "read", "nope", str(body))

    assert ended.code != 0
    assert "meta_leads" in ended.err


def test_a_headers_file_may_begin_with_the_request_line():
    head = read_head("POST /hook?key=a HTTP/1.1\nContent-Type: text/xml\n# secret: x\nx-a: b: c\n")

    assert ("POST", "/hook?key=a", (("content-type", "text/xml"), ("x-a", "b: c"))) == (
        head.method,
        head.path,
        head.headers,
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b' {"a": 1}', "application/json"),
        (b"<a/>", "text/xml"),
        (b"--frontier7\nContent-Disposition: form-data", 'multipart/form-data; boundary="frontier7"'),
        (b"a=b", ""),
    ],
)
def test_the_body_says_its_type_where_nothing_else_does(body, expected):
    assert expected == guess_type(body)


def test_a_new_integration_passes_the_fixture_suite_as_it_stands(tmp_path):
    for part in ("integrations", "mappings", "tests/integrations/test_fixtures.py", "pyproject.toml"):
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    command = "from app.cli.main import main; main()"
    made = subprocess.run(
        [sys.executable, "-c", command, "integrations", "new", "new_platform", "--root", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "new_platform", "tests"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert b"new_platform/source.py" in made.stdout
    assert 0 == tested.returncode, tested.stdout[-2000:]
    assert b" passed" in tested.stdout


def test_a_name_that_is_taken_is_refused(call):
    ended = call("integrations", "new", "website", "--root", str(ROOT))

    assert ended.code != 0
    assert "is there already" in ended.err
