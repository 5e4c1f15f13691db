"""What fixtures cannot say about the website source: repeats over time, and where nobody can be sent."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kit.contract import DeliveryKey, RawRequest, SourceConfig
from integrations.website.source import REPEAT_SECONDS, source

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CONFIG = SourceConfig("join", {}, {"url_key": ("right-key",)})
FORM = (("content-type", "application/x-www-form-urlencoded"),)


def post(
    body: bytes, headers: tuple[tuple[str, str], ...] = FORM, later: timedelta = timedelta(0)
) -> RawRequest:
    return RawRequest(
        "POST", "https://muster.example/hooks/join/right-key", headers, body, (), "right-key", NOW + later
    )


def key_of(request: RawRequest) -> str:
    (event,) = source.split(request, CONFIG).events
    return event.key


def delivery_of(request: RawRequest) -> DeliveryKey:
    return source.delivery_key(request, CONFIG)


def test_the_same_answers_weeks_later_are_a_new_event() -> None:
    body = b"email=ana%40alumni.example"

    assert key_of(post(body)) == key_of(post(body, later=timedelta(seconds=REPEAT_SECONDS - 1)))
    assert key_of(post(body)) != key_of(post(body, later=timedelta(weeks=3)))
    assert delivery_of(post(body)).window_seconds == REPEAT_SECONDS


@pytest.mark.parametrize("name", ["_nonce", "form_token"])
def test_with_a_nonce_the_same_answers_are_one_event_for_ever(name: str) -> None:
    body = f"email=ana%40alumni.example&{name}=4f1c".encode()

    assert key_of(post(body)) == key_of(post(body, later=timedelta(weeks=3)))
    assert delivery_of(post(body)).window_seconds is None


@pytest.mark.parametrize("body", [b"a=1&_nonce=", b"a=_nonce", b"_nonces=1&a=2", b"_nonce[]=1"])
def test_a_blank_or_borrowed_nonce_counts_for_nothing(body: bytes) -> None:
    assert delivery_of(post(body)).window_seconds == REPEAT_SECONDS


def test_a_nonce_shared_by_a_cached_page_keeps_its_visitors_apart() -> None:
    ana, ben = (post(f"email={name}%40alumni.example&_nonce=cached".encode()) for name in ("ana", "ben"))

    assert delivery_of(ana) != delivery_of(ben)
    assert key_of(ana) != key_of(ben)


def test_a_second_click_on_a_multipart_form_is_the_same_event() -> None:
    def click(boundary: str) -> RawRequest:
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="email"\r\n\r\nana@alumni.example\r\n--{boundary}--\r\n'
        return post(body.encode(), (("content-type", f"multipart/form-data; boundary={boundary}"),))

    first, second = click("----WebKitFormBoundaryA1"), click("----WebKitFormBoundaryB2")

    assert delivery_of(first) != delivery_of(second)
    assert key_of(first) == key_of(second)


def test_the_page_does_not_make_another_event() -> None:
    body = b"email=ana%40alumni.example"
    here = post(body, (*FORM, ("referer", "https://www.college.example/join?utm=1")))

    assert key_of(post(body)) == key_of(here)
    assert source.split(here, CONFIG).events[0].content["_page"] == "https://www.college.example/join"


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "not an address",
        "javascript:alert(1)",
        "https://[",
        "https://user:secret@www.college.example/join",
        "//x/y",
    ],
)
def test_a_referer_never_brings_more_than_a_page(referer: str) -> None:
    content = source.split(post(b"a=1", (*FORM, ("referer", referer))), CONFIG).events[0].content

    assert content.get("_page") in (None, "https://www.college.example/join")


@pytest.mark.shared
def test_nothing_a_visitor_sends_changes_where_he_is_sent(shared: Path) -> None:
    lines = (shared / "corpora/open-redirect.jsonl").read_text("utf-8").splitlines()
    config = replace(CONFIG, settings={"thank_you_url": "https://www.college.example/thanks"})
    for text in [json.loads(line)["text"] for line in lines]:
        body = json.dumps({"next": text}).encode()
        request = replace(
            post(b"next=" + text.encode(), (*FORM, ("referer", "https://x.example/"))),
            query=(("next", text),),
        )

        assert source.reply(request, config).headers == (("location", "https://www.college.example/thanks"),)
        assert source.reply(post(body, (("content-type", "application/json"),)), config).headers == ()


@pytest.mark.shared
def test_an_address_that_is_not_whole_is_never_sent_to(shared: Path) -> None:
    lines = (shared / "corpora/open-redirect.jsonl").read_text("utf-8").splitlines()
    for text in [json.loads(line)["text"] for line in lines]:
        reply = source.reply(post(b"a=1"), replace(CONFIG, settings={"thank_you_url": text}))

        for _, address in reply.headers:
            assert address.startswith(("https://", "http://"))
            assert not set(address) & set("\r\n\\ \t")
            assert "@" not in urlsplit(address).netloc


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 0),
        ({"allowed_origins": "https://www.college.example, http://localhost:3000"}, 0),
        ({"allowed_origins": "www.college.example"}, 1),
        ({"allowed_origins": "https://a.example, *"}, 1),
        ({"thank_you_url": "/thanks"}, 1),
        ({"thank_you_url": "https://www.college.example/thanks"}, 0),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict[str, str], count: int) -> None:
    assert count == len(source.list_config_problems(replace(CONFIG, settings=settings)))


@pytest.mark.parametrize("written", ["*", "www.college.example", "https://", ","])
def test_an_allow_list_that_allows_nothing_refuses_everything_but_commas(written: str) -> None:
    request = post(b"a=1", (*FORM, ("origin", "https://www.college.example")))

    verdict = source.verify(request, replace(CONFIG, settings={"allowed_origins": written}), NOW)

    assert (written == ",") == verdict.is_ok


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=6))
def test_reading_twice_gives_the_same_keys(fields: dict[str, str]) -> None:
    body = json.dumps({**fields, "email": "ana@alumni.example"}).encode()
    request = post(body, (("content-type", "application/json"),))

    assert source.split(request, CONFIG) == source.split(request, CONFIG)
    assert delivery_of(request) == delivery_of(request)
