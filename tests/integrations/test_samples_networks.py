"""Bodies nobody here wrote, of X, LinkedIn, TikTok, Blackbaud, Salesforce and mention.com: each read as it should be."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.kit.contract import RawRequest, SourceConfig, Split, Unreadable
from integrations.kit.registry import get_source
from integrations.kit.runner import ScriptedClient
from integrations.salesforce.soap import read_xml
from mappings.language.compile import compile_mapping
from mappings.language.document import load_document
from mappings.language.event import EventInfo
from mappings.language.patch import MappingResult
from mappings.language.presets import find_preset

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
# sample -> (kinds of events, names of ignored parts); text instead: the beginning of the reason it is unreadable.
SAMPLES: dict[str, tuple[list[str], list[str]] | str] = {
    "blackbaud/constituent-delete-1.json": (["com.blackbaud.constituent.delete.v1"], []),
    "linkedin/fetch-form-questions-1.json": ([], ["leadForm"]),  # answers of the API, read by enrich below
    "linkedin/fetch-leadFormResponse-1.json": ([], ["leadFormResponse"]),
    "linkedin/fetch-leadFormResponse-2.json": ([], ["leadFormResponse"]),
    "linkedin/lead-created-1.json": (["LEAD_ACTION.CREATED"], []),
    "linkedin/lead-deleted-1.json": (["LEAD_ACTION.DELETED"], []),
    "mention/webfeeds-1.json": (["mention"], []),
    # Sheets for a list job, not what a hook brings.
    "salesforce/NPSP_Data_Import_Template.csv": "not XML",
    "salesforce/opportunity-contact-report-1.csv": "not XML",
    "salesforce/outbound-message-account-1.xml": (["Account"], []),
    "salesforce/outbound-message-ack-1.xml": ([], ["notificationsResponse"]),
    "tiktok/authorization-removed-1.json": ([], ["authorization.removed"]),
    "tiktok/ping-1.json": ([], ["tiktok.ping"]),
    "x/aaa-follow_events-template.txt": "not JSON",  # holes in it; filled below
    "x/aaa-tweet_create-longform-truncated-1.txt": "not JSON",  # the same
    "x/autohook-signed-2.json": ([], ["test_number"]),
    "x/xaa-dm-received-1.json": (["dm.received"], []),
    "x/xaa-follow-1.json": (["follow.follow"], []),
    "x/xaa-like-1.json": (["like.create"], []),
    "x/xaa-oauth-revoke-1.json": ([], ["oauth.revoke"]),
    "x/xaa-post-create-1.json": (["post.create"], []),
    "x/xaa-post-delete-1.json": (["post.delete"], []),
    "x/xaa-post-mention-create-1.json": (["post.mention.create"], []),
    "x/xaa-profile-update-bio-1.json": (["profile.update.bio"], []),
    "x/xaa-unfollow-1.json": (["follow.unfollow"], []),
}
OURS = ("blackbaud", "linkedin", "mention", "salesforce", "tiktok", "x")
FOLDERS = {name: name for name in OURS}  # of samples -> integration
NOT_BODIES: frozenset[str] = frozenset()


def request_of(body: bytes, content_type: str = "application/json") -> RawRequest:
    return RawRequest(
        "POST", "https://muster.example/hooks/s", (("content-type", content_type),), body, (), "", NOW
    )


def split_of(shared: Path, name: str, **settings: str) -> Split | str:
    folder = name.split("/", maxsplit=1)[0]
    body = (shared / "payloads" / name).read_bytes()
    return read(FOLDERS[folder], body, **settings)


def read(integration: str, body: bytes, **settings: str) -> Split | str:
    try:
        return get_source(integration).split(request_of(body), SourceConfig("s", settings))
    except Unreadable as error:
        return error.reason


def mapped(integration: str, split: Split) -> list[MappingResult]:
    preset = find_preset(integration)
    assert preset is not None
    mapping = compile_mapping(load_document(preset.text))
    return [
        mapping.apply(
            event.content, EventInfo(event.key, event.kind, event.occurred_at, NOW, event.account, "s")
        )
        for event in split.events
    ]


def fields_and_identities(result: MappingResult) -> tuple[dict[str, Any], list[str]]:
    patch = result.patches[0]
    return dict(patch.fields), [f"{each.kind} {each.value}" for each in patch.identities]


@pytest.mark.shared
@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_or_refused_with_its_reason(shared: Path, name: str) -> None:
    expected, reading = SAMPLES[name], split_of(shared, name)

    if isinstance(reading, str):
        assert isinstance(expected, str)
        assert reading.startswith(expected)
    else:
        assert expected == ([event.kind for event in reading.events], [part.kind for part in reading.ignored])
        assert all(part.reason for part in reading.ignored)
        assert not [
            result.rejected
            for result in mapped(FOLDERS[name.split("/", maxsplit=1)[0]], reading)
            if result.rejected
        ]


@pytest.mark.shared
def test_no_sample_is_left_out(shared: Path) -> None:
    files = {
        f"{folder}/{path.name}" for folder in FOLDERS for path in (shared / "payloads" / folder).iterdir()
    }

    assert {name for name in files if not name.endswith(".headers")} == set(SAMPLES) | NOT_BODIES


@pytest.mark.shared
@pytest.mark.parametrize("name", [name for name in SAMPLES if name.endswith((".json", ".xml"))])
def test_what_is_stored_of_a_sample_reads_the_same(shared: Path, name: str) -> None:
    integration, body = FOLDERS[name.split("/", maxsplit=1)[0]], (shared / "payloads" / name).read_bytes()

    kept = get_source(integration).stored_body(request_of(body), SourceConfig("s"))

    assert read(integration, body) == read(integration, kept)


@pytest.mark.shared
def test_the_words_of_a_direct_message_on_x_are_kept_only_where_the_source_says_so(shared: Path) -> None:
    body = (shared / "payloads/x/xaa-dm-received-1.json").read_bytes()
    open_, closed = SourceConfig("s", {"keeps_private_text": "yes"}), SourceConfig("s")
    source = get_source("x")

    kept, dropped = (source.split(request_of(body), config).events[0] for config in (open_, closed))

    assert kept.message is not None
    assert dropped.message is not None
    assert (kept.message.text, dropped.message.text) == ("hello!", "")
    assert kept.message.is_private
    assert dropped.message.is_private
    assert (kept.message.influence, kept.content["user"]["username"]) == (97.0, "OtherUser")
    assert b"hello!" in source.stored_body(request_of(body), open_)
    assert b"hello!" not in source.stored_body(request_of(body), closed)


@pytest.mark.shared
def test_the_people_of_x_s_samples_come_through(shared: Path) -> None:
    def first(name: str) -> tuple[dict[str, Any], list[str]]:
        split = split_of(shared, f"x/xaa-{name}-1.json")
        assert isinstance(split, Split)
        return fields_and_identities(mapped("x", split)[0])

    follower = ({"full_name": "Example User", "social_handle": "ExampleUser", "website": "https://example.com", "origin": "X"},
                ["x_user_id 1111111111111111111"])  # fmt: skip
    assert first("follow") == follower
    assert first("unfollow") == follower
    assert first("post-mention-create")[1] == ["x_user_id 2222222222222222222"]
    assert first("like") == ({"origin": "X"}, ["x_user_id 1111111111111111111"])
    assert first("profile-update-bio")[1] == ["x_user_id 1111111111111111111"]


@pytest.mark.shared
def test_x_s_templates_are_read_once_their_holes_are_filled(shared: Path) -> None:
    user = {"id": 2244994900, "id_str": "2244994945", "screen_name": "bo", "name": "Bo", "followers_count": 3}
    folder = shared / "payloads/x"
    follow = (folder / "aaa-follow_events-template.txt").read_text("utf-8")
    post = (folder / "aaa-tweet_create-longform-truncated-1.txt").read_text("utf-8")

    followed = read("x", follow.replace("{\n      <User Object>\n    }", json.dumps(user)).encode())
    said = read("x", post.replace("{ ... }", json.dumps(user)).encode())

    assert isinstance(followed, Split)
    assert [event.content["user"]["id"] for event in followed.events] == ["2244994945"]
    assert isinstance(said, Split)
    message = said.events[0].message
    assert message is not None
    assert message.id == "1924465506158878979"
    assert message.text.endswith("off the Greek island of Antikythera...")
    assert message.influence == 3.0
    assert said.events[0].occurred_at == datetime(2025, 5, 19, 14, 1, 46, tzinfo=UTC)


@pytest.mark.shared
def test_x_s_own_signature_vector_verifies_and_a_changed_one_does_not(shared: Path) -> None:
    body = (shared / "payloads/x/autohook-signed-2.json").read_bytes()
    config = SourceConfig("s", {}, {"consumer_secret": ("test",)})
    good = "sha256=YWHphPn/JFq43jkF0y4/w8R/SelmLjvpunhVFY8JhlI="

    def verdict(signature: str, body: bytes) -> bool:
        request = RawRequest("POST", "", (("x-twitter-webhooks-signature", signature),), body, (), "", NOW)
        return get_source("x").verify(request, config, NOW).is_ok

    assert verdict(good, body)
    assert verdict("sha256=25Cu3iwbbiqBTwQRzcKJZwisjf736V2Q8UaTlkfLSoc=", b"test=1&other_test=2")
    assert not verdict(good, body + b" ")
    assert not verdict("sha256=25Cu3iwbbiqBTwQRzcKJZwisjf736V2Q8UaTlkfLSoc=", body)  # of another body
    assert not verdict(good.replace("sha256=", ""), body)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("number", "fields", "consents"),
    [
        (
            1,
            {"first_name": "John", "last_name": "Smith", "email": "john.smith@company.com"},
            [("given", "consent 1")],
        ),
        (
            2,
            {
                "first_name": "Ada",
                "last_name": "Lovelace",
                "email": "ada@example.com",
                "phone": "+919800000000",
                "organisation": "Analytical Engines",
                "job_title": "Founder",
            },
            [],
        ),
    ],
)
def test_both_shapes_of_linkedin_s_answers_are_read(
    shared: Path, number: int, fields: dict[str, str], consents: list[tuple[str, str]]
) -> None:
    folder = shared / "payloads/linkedin"
    lead = json.loads((folder / f"fetch-leadFormResponse-{number}.json").read_text("utf-8"))
    form = json.loads((folder / "fetch-form-questions-1.json").read_text("utf-8"))
    notice = json.loads((folder / "lead-created-1.json").read_text("utf-8"))
    lead_id = lead.get("id", "1a2b3c-4")
    body = json.dumps({**notice, "leadGenFormResponse": f"urn:li:leadGenFormResponse:{lead_id}"}).encode()
    config = SourceConfig("s", {}, {"access_token": ("token",)})
    client = ScriptedClient({f"/rest/leadFormResponses/{lead_id}": lead, "/rest/leadForms/1": form})
    source = get_source("linkedin")

    event = source.enrich(source.split(request_of(body), config).events[0], config, client)

    patch = mapped("linkedin", Split((event,)))[0].patches[0]
    assert fields | {"origin": "LinkedIn ad"} == patch.fields
    assert consents == [(each.verdict, each.wording) for each in patch.consents]


@pytest.mark.shared
def test_linkedin_s_created_and_deleted_leads_are_one_person_s(shared: Path) -> None:
    created, deleted = (split_of(shared, f"linkedin/lead-{name}-1.json") for name in ("created", "deleted"))

    assert isinstance(created, Split)
    assert isinstance(deleted, Split)
    assert created.events[0].content["urn"] == deleted.events[0].content["urn"]
    assert (created.events[0].content["form_id"], created.events[0].content["form_version"]) == ("1", "1")
    assert deleted.events[0].is_erasure
    assert mapped("linkedin", deleted)[0].patches[0].is_erasure


@pytest.mark.shared
def test_blackbaud_s_example_passes_with_its_key_and_erases(shared: Path) -> None:
    folder = shared / "payloads/blackbaud"
    target = (folder / "constituent-delete-1.headers").read_text("utf-8").split()[1]
    key = target.partition("webhookKey=")[2]
    body = (folder / "constituent-delete-1.json").read_bytes()
    source, config = get_source("blackbaud"), SourceConfig("s", {}, {"url_key": (key,)})

    def verdict(given: str) -> bool:
        request = RawRequest("POST", "", (), body, (("webhookKey", given),), "", NOW)
        return source.verify(request, config, NOW).is_ok

    split = source.split(request_of(body), config)
    assert verdict(key)
    assert not verdict(key[:-1])
    assert split.events[0].account == "p-TTKClfLPKk2a_nZYGhwHdA"
    assert split.events[0].occurred_at == datetime(2020, 4, 22, 23, 39, 33, 633748, tzinfo=UTC)
    assert mapped("blackbaud", split)[0].patches[0].is_erasure


@pytest.mark.shared
def test_salesforce_s_message_loses_its_session_and_is_acknowledged_as_the_sample_says(shared: Path) -> None:
    folder, source = shared / "payloads/salesforce", get_source("salesforce")
    body = (folder / "outbound-message-account-1.xml").read_bytes()
    request, config = request_of(body, "text/xml"), SourceConfig("s")

    event = source.split(request, config).events[0]

    assert event.content["fields"]["BillingStreet"] == "The Landmark @ One Market, Suite 300"
    assert (event.key, event.account) == ("ABC90000000gNcm:04l9000001olR84AAE", "ABC90000000gNcm")
    assert b"ARcAQJ" in body
    assert b"ARcAQJ" not in source.stored_body(request, config)
    ack = read_xml((folder / "outbound-message-ack-1.xml").read_bytes()).as_value()
    assert ack == read_xml(source.reply(request, config).body).as_value()
    assert mapped("salesforce", Split((event,)))[0].ignored


@pytest.mark.shared
def test_salesforce_s_message_of_another_organisation_is_refused(shared: Path) -> None:
    body = (shared / "payloads/salesforce/outbound-message-account-1.xml").read_bytes()
    request = RawRequest("POST", "", (("content-type", "text/xml"),), body, (), "key", NOW)

    def is_let_in(organisation: str) -> bool:
        config = SourceConfig("s", {"organization_id": organisation}, {"url_key": ("key",)})
        return get_source("salesforce").verify(request, config, NOW).is_ok

    assert is_let_in("ABC90000000gNcmEAE")
    assert is_let_in("ABC90000000gNcm")
    assert not is_let_in("ABC90000000gNcM")
    assert not is_let_in("ABC9")


@pytest.mark.shared
def test_a_mention_keeps_its_influence_and_makes_no_contact(shared: Path) -> None:
    split = split_of(shared, "mention/webfeeds-1.json")

    assert isinstance(split, Split)
    event = split.events[0]
    message = event.message
    assert message is not None
    assert (message.kind, message.influence, message.is_private) == ("mention", 49.0, False)
    assert message.text.startswith("… Culture, Media and Sport")
    assert message.url == "https://www.theyworkforyou.com/debates/?id=2016-11-29b.1398.7&p=24887"
    assert event.occurred_at == datetime(2016, 12, 1, 21, 20, 46, 226191, tzinfo=UTC)
    assert "type is mention" in mapped("mention", split)[0].ignored
