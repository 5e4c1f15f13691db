"""Nothing personal and no key gets into a log line."""

import json
import logging

import pytest

from app.core.log import configure_log, get_log, log_context
from app.core.redact import masked, redacted, redacted_field

ADDRESSES = [
    "anna@example.test", "Anna.Smith+news@mail.example.test", "o'brien@example.test", "ünal@exämple.test",
    "first.last@sub.domain.example", "a@b.test", "ANNA@EXAMPLE.TEST", "anna%40example.test", "user_1@xn--exmple-cua.test",
]  # fmt: skip
PHONES = [
    "+49 171 2345678", "+491712345678", "+1 (212) 555-0123", "+1-212-555-0123", "+44 20 7946 0958", "0044 20 7946 0958",
    "0171 2345678", "0171/2345678", "020 7946 0958", "01712345678", "(212) 555-0123", "212-555-0123", "212.555.0123",
    "2125550123", "%2B491712345678", "+43 (0) 660 1234567",
]  # fmt: skip
KEYS = [
    "0123456789abcdef0123456789abcdef-us6", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "EAABsbCS1iHgBAKZCZA1234567890abcdef", "gAAAAABlZ0123456789abcdefghijklmnop==",
    "sha256=" + "ab" * 32,
]  # fmt: skip
FRAMES = [
    "{}",
    "failed for {}",
    "<{}>",
    "value '{}' refused",
    '{{"email": "{}"}}',
    "to={};",
    "({})",
    "{}, and more",
]
HARMLESS = [
    "2026-11-21 23:58:14.123", "2026-11-21T23:58:14Z", "2026-11-21T23:58:14+00:00", "127.0.0.1:8080", "10.0.0.255",
    "delivery 12345 of 2000", "took 0.123 s", "a1b2c3d4-0000-4000-8000-123456789012", "PostgreSQL 18.4 (Debian 18.4-1)",
    "9.1.2.post2", "1767225600", "exit code: 1", "primary key: sources_pkey", "contact 4294967", "500 members",
    "0001", "worker-1 ended with exit code 78", "GET /healthz 200",
]  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_masked_wherever_it_stands(address, frame):
    shown = masked(frame.format(address))

    assert address.lower() not in shown.lower()
    assert address.split("@")[0].split("%40")[0][1:] not in shown or len(address.split("@")[0]) == 1
    assert "***" in shown


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("anna@example.test", "a***@e***"),
        ("from anna@example.test to bob@other.example.", "from a***@e*** to b***@o***"),
        ("mailto:anna@example.test", "mailto:a***@e***"),
    ],
)
def test_a_masked_address_keeps_its_first_letters(given, expected):
    assert masked(given).rstrip(".") == expected


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("phone", PHONES)
def test_a_phone_number_is_masked_wherever_it_stands(phone, frame):
    shown = masked(frame.format(phone))

    digits = "".join(character for character in phone if character.isdigit())
    assert digits[-4:] not in "".join(character for character in shown if character.isdigit())


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_masked_by_its_form(key, frame):
    assert key not in masked(frame.format(key))


@pytest.mark.parametrize("text", HARMLESS)
def test_times_ids_and_versions_stay_readable(text):
    assert masked(text) == text


@pytest.mark.parametrize(
    ("given", "hidden"),
    [
        ("postgresql://muster:hunter2@db.example/muster", "hunter2"),
        ("GET /hooks/website/k3yk3yk3y HTTP/1.1", "k3yk3yk3y"),
        ("https://graph.example/v1?access_token=abc123&x=1", "abc123"),
        ("https://hook.example/?key=abc123", "abc123"),
        ("Authorization: Bearer abc123def", "abc123def"),
        ('{"verify_token": "abc123"}', "abc123"),
        ("password = abc123", "abc123"),
        ("[SQL: INSERT ...]\n[parameters: {'n': 'Anna Smith'}]", "Anna"),
        ("ERROR: duplicate key\nDETAIL:  Key (email_norm)=(anna) already exists.", "anna"),
    ],
)
def test_secrets_inside_messages_are_hidden(given, hidden):
    assert hidden not in masked(given)


@pytest.mark.parametrize(
    "name", ["password", "Authorization", "X-Hub-Signature-256", "api_key", "first_name", "body"]
)
def test_a_value_is_hidden_by_its_name(name):
    assert redacted_field(name, "plain words") == "***"


def test_nested_values_are_masked_and_deep_ones_hidden():
    deep = {"a": {"b": {"c": {"d": {"e": {"f": {"g": "anna@example.test"}}}}}}}
    given = {
        "to": ["anna@example.test", {"token": "abc"}],
        "count": 3,
        "raw": b"anna@example.test",
        "deep": deep,
    }

    shown = redacted(given)

    assert shown["to"] == ["a***@e***", {"token": "***"}]
    assert (shown["count"], shown["raw"]) == (3, "17 bytes")
    assert "anna" not in json.dumps(shown)


@pytest.fixture
def fresh_log():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_json_with_the_ids_of_the_work_at_hand(fresh_log, capsys):
    configure_log("json", "web")

    with log_context(request_id="r1", delivery_id=7):
        get_log("app.inbox").info("stored", byte_count=12)

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["process"], line["level"], line["logger"]) == (
        "stored",
        "web",
        "info",
        "app.inbox",
    )
    assert (line["request_id"], line["delivery_id"], line["byte_count"]) == ("r1", 7, 12)
    assert line["timestamp"].endswith("Z")


def test_ids_do_not_leak_into_the_next_line(fresh_log, capsys):
    configure_log("json")
    with log_context(request_id="r1"):
        pass

    get_log("app").info("next")

    assert "request_id" not in json.loads(capsys.readouterr().err)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_many_planted_values_never_reach_the_log(fresh_log, capsys, log_format):
    configure_log(log_format, "web")
    log = get_log("app.test")
    for planted in (*ADDRESSES, *PHONES, *KEYS):
        sentence = f"refused {planted}"
        log.warning(sentence, email=planted, detail={"to": [planted]})
        logging.getLogger("library").error("failed for %s", planted, extra={"who": planted})
        try:
            [].index(planted)
        except ValueError:
            log.exception("failed", stack=f"cannot find {planted!r}")
        try:
            int(planted + "?")
        except ValueError:  # the message quotes what was given
            log.exception("failed")

    said = capsys.readouterr().err

    assert [
        planted for planted in (*ADDRESSES, *PHONES, *KEYS) if planted in said and planted != "a@b.test"
    ] == []
