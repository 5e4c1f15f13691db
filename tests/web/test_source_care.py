"""Looking after a source in the console: health, back-fill, signing in, trying a sample."""

import io
import json
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from app.core.errors import InvalidError
from app.web.pages import fetching
from app.web.pages.source_care import read_since
from app.web.pages.sources import CONNECTED_PATH
from integrations.kit.contract import BackfillPage, EnrichError, Health, OAuthApp
from integrations.kit.registry import get_source
from tests.kit.api import api_answering
from tests.web.conftest import Dom, Person, run_sql
from tests.web.rows import add_office

PAGE = "/sources/office-form"
SAMPLE = '{"email": "nora@mail.example", "first_name": "Nora", "newsletter": "yes"}'


@pytest.fixture
def office(session, engine) -> dict[str, int]:
    ids = add_office(session)
    session.commit()
    run_sql(engine, "UPDATE audiences SET approved_at = now(), entry_rule = '{}'")
    return ids


@pytest.fixture
def website(monkeypatch):
    """The integration of the source, to be given what others have."""
    kind = type(get_source("website"))

    def give(**abilities) -> None:
        for name, ability in abilities.items():
            monkeypatch.setattr(kind, name, ability)

    return give


def test_health_is_shown_with_reason_silence_and_the_next_step(viewer: Person, engine, office):
    health = {
        "state": "dead", "reason": "The subscription is gone", "hint": "Make it again.",
        "silence": "Nothing came for 31 hours", "checked_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    run_sql(engine, "UPDATE sources SET health = CAST(:health AS jsonb)", health=json.dumps(health))

    page = viewer.get(PAGE).text

    for expected in (
        "Not sending",
        "The subscription is gone",
        "Make it again.",
        "Nothing came for 31 hours",
        "Last event",
    ):
        assert expected in page


@pytest.mark.parametrize(("found", "said"), [
    (Health("alive"), "It sends."), (Health("dead", "It was switched off.", "Switch it on."), "It was switched off."),
])  # fmt: skip
def test_the_platform_is_asked_now(
    editor: Person, engine, office, *, website, audited, found: Health, said: str
):
    website(health=lambda *_: found)

    answer = editor.post(f"{PAGE}/health", follow_redirects=True)

    assert said in answer.text
    assert found.state == run_sql(engine, "SELECT health ->> 'state' FROM sources")[0][0]
    assert [("editor@office.example", "source.check", "source:office-form")] == audited()


def test_what_a_platform_kept_is_fetched(editor: Person, engine, office, website, audited):
    asked = []

    def backfill(_self, _config, since, _cursor, _client) -> BackfillPage:
        asked.append(since)
        return BackfillPage((b'{"email": "late@mail.example"}',))

    website(can_backfill=True, backfill=backfill)

    answer = editor.post(f"{PAGE}/backfill", data={"since": "2026-11-01"}, follow_redirects=True)

    assert "1 kept by the platform, 1 of them new." in answer.text
    assert [datetime(2026, 11, 1, tzinfo=UTC)] == asked
    assert [("editor@office.example", "source.backfill", "source:office-form")] == audited()


def test_a_back_fill_that_ends_early_says_why(editor: Person, office, website):
    def backfill(*_) -> BackfillPage:
        raise EnrichError("waiting_enrich", "the platform does not answer", "Try later.")

    website(can_backfill=True, backfill=backfill)

    answer = editor.post(f"{PAGE}/backfill")

    assert 422 == answer.status_code
    assert "It ended early: the platform does not answer." in answer.text
    assert "Try later." in answer.text


def test_a_long_back_fill_goes_on_behind_the_page_and_is_not_begun_twice(
    editor: Person, engine, office, *, website, monkeypatch
):
    is_asked, may_end = threading.Event(), threading.Event()

    def backfill(*_) -> BackfillPage:
        is_asked.set()
        may_end.wait(20)
        return BackfillPage((b'{"email": "late@mail.example"}',))

    website(can_backfill=True, backfill=backfill)
    monkeypatch.setattr(fetching.fetch_missed, "__defaults__", (0.1,))

    first = editor.post(f"{PAGE}/backfill", follow_redirects=True)
    assert is_asked.wait(10)
    second = editor.post(f"{PAGE}/backfill")
    may_end.set()
    for thread in [one for one in threading.enumerate() if one.name == "backfill-office-form"]:
        thread.join(20)

    assert "It takes longer and goes on by itself" in first.text
    assert (409, True) == (second.status_code, "is being fetched already" in second.text)
    late = run_sql(
        engine, "SELECT 1 FROM deliveries WHERE position('late@mail' IN encode(body, 'escape')) > 0"
    )
    assert 1 == len(late)
    assert (
        "1 kept by the platform, 0 of them new."
        in editor.post(f"{PAGE}/backfill", follow_redirects=True).text
    )


@pytest.mark.parametrize(("since", "problem"), [
    ("soon", "is no time"), ("2999-01-01", "ahead of us"), ("", "keeps nothing"),
])  # fmt: skip
def test_a_back_fill_that_cannot_be_is_refused_at_its_form(editor: Person, office, since: str, problem: str):
    answer = editor.post(f"{PAGE}/backfill", data={"since": since})

    assert (422, True) == (answer.status_code, problem in answer.text)


def test_without_a_day_a_week_is_asked_for():
    assert (
        timedelta(days=7) - timedelta(minutes=1)
        < datetime.now(UTC) - read_since("")
        < timedelta(days=7, minutes=1)
    )
    with pytest.raises(InvalidError):
        read_since("yesterday")


def test_signing_in_at_a_platform_keeps_its_tokens(editor: Person, engine, box, *, office, website, audited):
    def answer(_method: str, _path: str, _body: bytes):
        return 200, {"access_token": "first", "refresh_token": "again", "expires_in": 3600}

    website(
        oauth=OAuthApp(
            "https://login.example/ask", "https://login.example/token", token_base_setting="token_base"
        )
    )
    with api_answering(answer) as api:
        more = json.dumps({"client_id": "our-app", "token_base": api.url})
        run_sql(engine, "UPDATE sources SET settings = settings || CAST(:more AS jsonb)", more=more)
        sealed = box.seal("our-secret", f"secret:{office['source']}:client_secret")
        run_sql(
            engine,
            "INSERT INTO secrets (source_id, name, sealed) VALUES (:id, 'client_secret', :sealed)",
            id=office["source"],
            sealed=sealed,
        )
        before = editor.get(PAGE).text
        leaving = editor.post(f"{PAGE}/connect").text
        links = [value for tag, name, value in Dom(leaving).attributes if (tag, name) == ("a", "href")]
        asked = parse_qs(urlsplit(str(links[-1])).query)
        done = editor.get(f"{CONNECTED_PATH}?state={asked['state'][0]}&code=c", follow_redirects=True)
        again = editor.get(f"{CONNECTED_PATH}?state={asked['state'][0]}&code=c")

    assert "Not connected" in before
    assert asked["redirect_uri"][0].endswith(CONNECTED_PATH)
    assert "Connected. The source fetches by itself" in done.text
    assert (422, True) == (again.status_code, "used already" in again.text)
    assert ("editor@office.example", "source.tokens", "source:office-form") in audited()


def test_a_source_without_a_login_page_says_so(editor: Person, office):
    answer = editor.post(f"{PAGE}/connect")

    assert 422 == answer.status_code


def counts(engine) -> list[int]:
    tables = ("deliveries", "events", "contacts", "contact_patches", "changes", "audit_entries")
    return [run_sql(engine, f"SELECT count(*) FROM {table}")[0][0] for table in tables]


def test_a_sample_goes_through_every_stage_and_nothing_is_written(editor: Person, engine, office):
    before = counts(engine)

    answer = editor.post(f"{PAGE}/try", data={"body": SAMPLE})

    assert 200 == answer.status_code
    for expected in (
        "Nothing was written.", "Verdict", "Contact patch", "nora@mail.example", "it would be a new contact",
        "newsletter", "would be written",
    ):  # fmt: skip
        assert expected in answer.text
    assert before == counts(engine)


def test_a_sample_of_somebody_known_names_them(editor: Person, office):
    answer = editor.post(f"{PAGE}/try", data={"body": SAMPLE.replace("nora", "ana").replace("Nora", "Ana")})

    assert "who is known." in answer.text
    assert f'href="/contacts/{office["contact"]}"' in answer.text


@pytest.mark.parametrize(("policy", "expected"), [("delete", "deleted"), ("archive", "archived")])
def test_what_the_policy_would_do_to_a_member_is_said_and_nobody_is_erased(
    editor: Person, engine, office, policy: str, expected: str
):
    out = f"UPDATE audiences SET on_leave = '{policy}', entry_rule = '{{\"tags_any\": [\"nobody-has-it\"]}}'"
    run_sql(engine, out)
    run_sql(engine, "UPDATE members SET pushed_hash = 'written', status = 'subscribed'")

    answer = editor.post(f"{PAGE}/try", data={"body": SAMPLE.replace("nora", "ana").replace("Nora", "Ana")})

    assert f"would be {expected}" in answer.text
    assert [word for word in ("erased", f"{expected} as") if word in answer.text] == []


def test_a_file_is_read_like_a_pasted_body(editor: Person, office):
    data = {"file": (io.BytesIO(SAMPLE.encode()), "sample.json"), "headers": "Content-Type: application/json"}

    answer = editor.post(f"{PAGE}/try", data=data, content_type="multipart/form-data")

    assert "nora@mail.example" in answer.text


@pytest.mark.parametrize(("data", "status", "expected"), [
    ({}, 422, "There is no sample."),
    ({"body": "x" * 600_000}, 422, "The sample is too large."),
    ({"body": '{"email": "ana(at)mail"}'}, 200, "dead letter"),
    ({"body": "{", "headers": "Content-Type: application/json"}, 200, "Unreadable"),
])  # fmt: skip
def test_what_is_wrong_with_a_sample_is_told(editor: Person, office, data, status: int, expected: str):
    answer = editor.post(f"{PAGE}/try", data=data)

    assert (status, True) == (answer.status_code, expected in answer.text)


def test_a_hostile_sample_is_text(editor: Person, office):
    hostile = '{"email": "a@mail.example", "first_name": "</textarea><script>alert(1)</script>"}'

    answer = editor.post(f"{PAGE}/try", data={"body": hostile})

    assert "<script>alert(1)" not in answer.text
    assert "</textarea><script>" not in answer.text


def test_viewers_may_look_and_not_try(viewer: Person, office):
    assert 200 == viewer.get(f"{PAGE}/try").status_code
    posts = [viewer.post(f"{PAGE}/{path}").status_code for path in ("try", "health", "backfill", "connect")]

    assert [403] * 4 == posts
