"""Bodies of Meta's platforms that nobody here wrote: each is read by its integration, or ignored with a named reason."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.kit.base import BaseSource
from integrations.kit.contract import RawRequest, SourceConfig, Split, Unreadable
from integrations.kit.runner import get_base_source
from mappings.language.compile import compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.patch import MappingResult
from mappings.language.presets import find_preset

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MESSAGE, PREFERENCE = "message", "user_preferences"
NO_ENTRIES = "the JSON has no list of entries"
# sample -> integration -> (kinds of events, names of ignored parts); text instead: the reason it is unreadable.
SAMPLES: dict[str, dict[str, tuple[list[str], list[str]] | str]] = {
    "facebook/leadgen-batched-1.json": {
        "meta_leads": (["leadgen", "leadgen"], []),
        "meta_page": ([], ["leadgen", "leadgen"]),
    },
    "facebook/generic-user-photos-1.json": {
        "meta_leads": ([], ["user.photos"]),
        "meta_page": ([], ["user.photos"]),
        "instagram": ([], ["user.photos"]),
        "whatsapp": ([], ["user.photos"]),
    },
    "facebook/messenger-delivery-1.json": {
        "meta_page": ([], ["delivery"]),
        "instagram": ([], ["delivery"]),
        "meta_leads": ([], ["messaging"]),
    },
    "facebook/page-feed-reaction-1.json": {
        "meta_page": (["feed.reaction"], []),
        "meta_leads": ([], ["feed"]),
        "instagram": ([], ["feed"]),
    },
    # What the API answers, not what a webhook sends: test_meta_leads reads both by enrich.
    "facebook/fetch-lead-1.json": {"meta_leads": NO_ENTRIES, "meta_page": NO_ENTRIES},
    "facebook/fetch-lead-custom-disclaimer-1.json": {"meta_leads": NO_ENTRIES, "meta_page": NO_ENTRIES},
    # The template of Meta's page, with marks in the places of values; filled in, it is read below.
    "instagram/comments-facebook-login-template.txt": {
        "instagram": "not JSON: Expecting property name enclosed in double quotes at line 6, column 61"
    },
    "instagram/message-1.json": {"instagram": ([MESSAGE], []), "meta_page": ([MESSAGE], [])},
    "instagram/message-unsend-1.json": {"instagram": (["message.deleted"], [])},
    "instagram/story-mention-1.json": {"instagram": (["story_mention"], [])},
    "instagram/story-mention-echo-1.json": {"instagram": ([], ["message.echo"])},
    "whatsapp/account-offboarded-1.json": {"whatsapp": ([], ["account_update"])},
    "whatsapp/batched-message-and-status-1.json": {"whatsapp": (["message.text"], ["status.delivered"])},
    "whatsapp/contacts-card-1.json": {"whatsapp": (["message.contacts"], [])},
    "whatsapp/ctwa-referral-1.json": {"whatsapp": (["message.text"], [])},
    "whatsapp/flow-completion-1.json": {"whatsapp": (["message.interactive"], [])},
    "whatsapp/marketing-preference-resume-1.json": {"whatsapp": ([PREFERENCE], [])},
    "whatsapp/marketing-preference-signup-1.json": {"whatsapp": ([PREFERENCE], [])},
    "whatsapp/reaction-1.json": {"whatsapp": (["message.reaction"], [])},
    "whatsapp/reply-1.json": {"whatsapp": (["message.text"], [])},
    "whatsapp/signed-text-1.json": {
        "whatsapp": (["message.text"], []),
        "meta_leads": ([], ["whatsapp_business_account.messages"]),
        "meta_page": ([], ["whatsapp_business_account.messages"]),
        "instagram": ([], ["whatsapp_business_account.messages"]),
    },
    "whatsapp/system-identity-change-1.json": {"whatsapp": ([], ["system.customer_identity_changed"])},
    "whatsapp/text-1.json": {"whatsapp": (["message.text"], [])},
    "whatsapp/unsupported-1.json": {"whatsapp": (["message.unsupported"], [])},
}
READINGS = [(name, integration) for name, readings in SAMPLES.items() for integration in readings]
# Words of strangers in the samples, which are not to stay where private words are not kept.
PRIVATE_WORDS = {
    "whatsapp/text-1.json": "Body Text",
    "whatsapp/reply-1.json": "replied text",
    "whatsapp/signed-text-1.json": "Hey there! I am using PyWa.",
    "whatsapp/contacts-card-1.json": "Chandler",
    "whatsapp/ctwa-referral-1.json": '"BODY"',
    "whatsapp/reaction-1.json": "😮",
    "instagram/message-1.json": "This is the first message from the customer",
    "instagram/story-mention-1.json": "test.jpeg",
}


def post(body: bytes) -> RawRequest:
    return RawRequest("POST", "", (("content-type", "application/json"),), body, (), "", NOW)


def read(shared: Path, name: str, integration: str, **settings: str) -> Split:
    body = (shared / "payloads" / name).read_bytes()
    return get_base_source(integration).split(post(body), SourceConfig("s", settings))


def mapped(split: Split, integration: str) -> list[MappingResult]:
    preset = find_preset(integration)
    assert preset is not None
    mapping = compile_mapping(load_document(preset.text))
    return [
        mapping.apply(
            event.content, EventInfo(event.key, event.kind, event.occurred_at, NOW, event.account, "s")
        )
        for event in split.events
    ]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "integration"), READINGS)
def test_a_sample_is_read_or_refused_with_its_reason(shared: Path, name: str, integration: str) -> None:
    expected = SAMPLES[name][integration]

    try:
        split = read(shared, name, integration)
    except Unreadable as error:
        assert expected == error.reason
        return

    assert expected == ([event.kind for event in split.events], [part.kind for part in split.ignored])
    assert all(part.reason for part in split.ignored)
    assert all(event.content and event.key for event in split.events)


@pytest.mark.shared
def test_no_sample_of_meta_is_left_out(shared: Path) -> None:
    folders = ("facebook", "instagram", "whatsapp")
    files = {
        f"{folder}/{path.name}" for folder in folders for path in (shared / "payloads" / folder).iterdir()
    }

    assert {name for name in files if not name.endswith(".headers")} == set(SAMPLES)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "integration"), READINGS)
def test_every_event_of_a_sample_is_mapped_or_ignored_by_the_preset(
    shared: Path, name: str, integration: str
) -> None:
    if isinstance(SAMPLES[name][integration], str) or integration == "meta_leads":
        return

    for result in mapped(read(shared, name, integration), integration):
        assert result.rejected is None
        assert result.patches or result.ignored
        assert not [found for patch in result.patches for found in patch.consents] or PREFERENCE in str(
            SAMPLES[name]
        )


@pytest.mark.shared
@pytest.mark.parametrize("name", PRIVATE_WORDS)
def test_private_words_are_kept_only_where_the_switch_is_on(shared: Path, name: str) -> None:
    source: BaseSource = get_base_source(name.split("/", maxsplit=1)[0])
    body = (shared / "payloads" / name).read_bytes()
    off, on = SourceConfig("s"), SourceConfig("s", {"keeps_private_text": "yes"})
    words = PRIVATE_WORDS[name].strip('"')

    stored = source.stored_body(post(body), off)

    assert words in json.dumps(json.loads(body), ensure_ascii=False)
    assert PRIVATE_WORDS[name] not in stored.decode()
    assert source.split(post(stored), off) == source.split(post(body), off)
    assert words not in str(source.split(post(body), off))
    assert source.stored_body(post(body), on) == body


@pytest.mark.shared
@pytest.mark.parametrize("value", ["resume", "signup"])
def test_a_preference_is_consent_of_whom_it_names_and_of_nobody_else(shared: Path, value: str) -> None:
    split = read(shared, f"whatsapp/marketing-preference-{value}-1.json", "whatsapp")

    (result,) = mapped(split, "whatsapp")

    (patch,) = result.patches
    (consent,) = patch.consents
    assert ("whatsapp", "given", "confirmed", "+16505551234") == (
        consent.channel, consent.verdict, consent.proof, consent.address,
    )  # fmt: skip
    # The contact beside it has another number: neither its name nor its ids are this person's.
    assert [("phone", "+16505551234")] == [(one.kind, one.value) for one in patch.identities]
    assert "full_name" not in patch.fields


@pytest.mark.shared
def test_a_shared_card_gives_the_sender_nothing(shared: Path) -> None:
    (event,) = read(shared, "whatsapp/contacts-card-1.json", "whatsapp", keeps_private_text="yes").events

    assert event.content["card_count"] == 3
    assert event.content["from"]["name"] == "Test Name"
    assert not re.search("Chandler|Monica|Rachel|555", str(event))


@pytest.mark.shared
def test_a_flow_is_read_as_a_form(shared: Path) -> None:
    (event,) = read(shared, "whatsapp/flow-completion-1.json", "whatsapp").events

    assert event.content["answers"] == {
        "comment_text": "Comment Text", "delivery_rating": "4", "purchase_rating": "2", "recommend_radio": "0",
        "cs_rating": "0",
    }  # fmt: skip


@pytest.mark.shared
def test_the_template_of_a_comment_is_read_once_it_is_filled_in(shared: Path) -> None:
    text = (shared / "payloads/instagram/comments-facebook-login-template.txt").read_text("utf-8")
    plain = (
        re.sub(r"//.*", "", text)
        .replace("}'", "}")
        .replace("<TIME_META_SENT_THIS_NOTIFICATION>", "1795250100,")
    )
    # JSON knows no comma after the last entry, and wants one before "changes".
    filled: Any = json.loads(re.sub(r"<([A-Z_]+)>", r"\1", plain))

    (event,) = get_base_source("instagram").split(post(json.dumps(filled).encode()), SourceConfig("s")).events

    assert event.key == "comment:COMMENT_ID"
    assert event.content["from"] == {"id": "INSTAGRAM_USER_SCOPED_ID", "username": "INSTAGRAM_USER_USERNAME"}
    assert event.message is not None
    assert (event.message.kind, event.message.text, event.message.is_private) == ("comment", "TEXT_ID", False)


@pytest.mark.shared
@pytest.mark.parametrize("integration", ["meta_leads", "meta_page", "instagram", "whatsapp"])
def test_the_published_signature_is_verified_by_all_of_meta(shared: Path, integration: str) -> None:
    body = (shared / "payloads/whatsapp/signed-text-1.json").read_bytes()
    right = "sha256=54edfa1d7259e0eb13c677cc7d73d1b5c86cfa12433d19156e058ab9251bc441"
    config = SourceConfig("s", {}, {"app_secret": ("1222e786b144d0e85b9f365372d93676",)})
    source = get_base_source(integration)

    def is_ok(signature: str, sent: bytes) -> bool:
        request = RawRequest("POST", "", (("x-hub-signature-256", signature),), sent)
        return source.verify(request, config, NOW).is_ok

    assert is_ok(right, body)
    assert not is_ok(right, body + b"\n")
    assert not is_ok(right[:-1] + "0", body)
    assert not is_ok(right.removeprefix("sha256="), body)
