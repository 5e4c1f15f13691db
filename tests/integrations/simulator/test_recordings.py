"""Any recording of that form is replayed: other audiences, other beginnings, other files (hand-made from the wire's shapes)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from integrations.mailchimp.simulator.member import md5_of
from integrations.mailchimp.simulator.recording import read_exchanges
from integrations.mailchimp.simulator.replay import main, replay

LIST, OTHER = "0f1e2d3c4b", "99aabbccdd"
START = datetime(2022, 3, 1, 9, 0, tzinfo=UTC)
ADA, GRACE, EVE = "ada@lovelace.example", "grace@hopper.example", "eve@people.example"
ERRORS = "https://mailchimp.com/developer/marketing/docs/errors/"
# rel, tail, method, target schema, body schema
LINKS = [
    ("self", "/{id}", "GET", "Response", ""),
    ("parent", "", "GET", "CollectionResponse", "Paths/Lists/Members/Collection"),
    ("update", "/{id}", "PATCH", "Response", "Definitions/Lists/Members/PATCH"),
    ("upsert", "/{id}", "PUT", "Response", "Definitions/Lists/Members/PUT"),
    ("delete", "/{id}", "DELETE", "", ""),
    ("activity", "/{id}/activity", "GET", "Activity/Response", ""),
    ("goals", "/{id}/goals", "GET", "Goals/Response", ""),
    ("notes", "/{id}/notes", "GET", "Notes/CollectionResponse", ""),
    ("events", "/{id}/events", "POST", "Events/POST", ""),
    ("delete_permanent", "/{id}/actions/delete-permanent", "POST", "", ""),
]


class Tape:
    """Lines of a recording, one second apart."""

    def __init__(self, host="us9", file="one.js", list_id=LIST):
        self.host, self.file, self.list_id, self.lines, self.now = host, file, list_id, [], START

    @property
    def time(self):
        return self.now.isoformat()

    def add(self, method, path, answer, status=200, body=None):
        is_problem = status >= 400
        if is_problem:
            answer = {"type": ERRORS, "status": status, "instance": str(len(self.lines)), **answer}
        kind = "problem+json" if is_problem else "json"
        headers = [
            "Content-Type",
            f"application/{kind}; charset=utf-8",
            "Date",
            format_datetime(self.now, usegmt=True),
        ]
        host = f"https://{self.host}.api.mailchimp.com:443"
        line = {"method": method, "path": path, "body": body or {}, "host": host, "status": status}
        self.lines.append({**line, "resp": answer, "headers": headers, "file": self.file})
        self.now += timedelta(seconds=1)
        return self

    def on_list(self, method, tail, answer, status=200, body=None):
        return self.add(method, f"/3.0/lists/{self.list_id}{tail}", answer, status, body)

    def on(self, method, email, answer, status=200, body=None, *, tail=""):
        return self.on_list(method, f"/members/{md5_of(email)}{tail}", answer, status, body)

    def missing(self, method, email, tail=""):
        return self.on(method, email, NOT_FOUND, 404, tail=tail)

    def member(self, email, status="subscribed", opt="2021-01-01T00:00:00+00:00", **more):
        values = {"FNAME": "", "LNAME": "", **more.pop("merge_fields", {})}
        tags = [{"id": 100 + len(tag), "name": tag} for tag in more.pop("tags", [])]
        root, own = f"https://{self.host}.api.mailchimp.com", md5_of(email)
        links = []
        for rel, tail, method, target, schema in LINKS:
            href = f"{root}/3.0/lists/{self.list_id}/members{tail.format(id=own)}"
            link = {"rel": rel, "href": href, "method": method}
            if target:
                link["targetSchema"] = f"{root}/schema/3.0/Definitions/Lists/Members/{target}.json"
            if schema:
                link["schema"] = f"{root}/schema/3.0/{schema}.json"
            links.append(link)
        body = {
            "id": own, "email_address": email, "unique_email_id": "u" + own[:9], "contact_id": "c" + own[:31],
            "full_name": f"{values['FNAME']} {values['LNAME']}".strip(), "web_id": int(own[:6], 16),
            "email_type": "html", "status": status,
        }  # fmt: skip
        if status == "unsubscribed":
            body["unsubscribe_reason"] = more.pop("reason", "N/A (Unsubscribed by admin)")
        place = {"latitude": 0, "longitude": 0, "gmtoff": 0, "dstoff": 0, "country_code": "", "timezone": ""}
        return {
            **body, "consents_to_one_to_one_messaging": True, "merge_fields": values,
            "stats": {"avg_open_rate": 0, "avg_click_rate": 0}, "ip_signup": "", "timestamp_signup": "",
            "ip_opt": "198.51.100.7", "timestamp_opt": opt, "member_rating": 2, "last_changed": opt, "language": "",
            "vip": False, "email_client": "", "location": place, "source": "API - Generic",
            "tags_count": len(tags), "tags": tags, "list_id": self.list_id, "_links": links, **more,
        }  # fmt: skip

    def page(self, query, members, total):
        return self.on_list(
            "GET",
            f"/members?{query}",
            {"members": members, "list_id": self.list_id, "total_items": total, "_links": []},
        )


NOT_FOUND = {"title": "Resource Not Found", "detail": "The requested resource could not be found."}


@pytest.fixture
def replayed(tmp_path):
    def _replayed(*tapes):
        path = tmp_path / "recorded.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for tape in tapes for line in tape.lines))
        return replay(read_exchanges(path)).differences

    return _replayed


def test_members_that_were_there_before_are_met_on_their_pages(replayed):
    tape = Tape()
    ada = tape.member(ADA, merge_fields={"FNAME": "Ada"}, tags=["alumni"], member_rating=4)
    grace = tape.member(GRACE, "unsubscribed", opt="2021-02-01T00:00:00+00:00", reason="Not interested")
    tape.page("count=2&sort_field=last_changed&sort_dir=ASC", [ada, grace], 2)
    tape.on("GET", ADA, ada).page("count=2&offset=2&sort_field=last_changed&sort_dir=ASC", [], 2)
    tape.page("since_last_changed=2021-01-15T00:00:00%2B00:00", [grace], 1).page(
        "status=subscribed", [ada], 1
    )

    assert replayed(tape) == {}


def test_members_that_only_the_totals_count_are_there_too(replayed):
    tape = Tape()
    ada, grace = tape.member(ADA), tape.member(GRACE, opt="2021-02-01T00:00:00+00:00")
    tape.page("count=1&offset=3&sort_field=last_changed&sort_dir=ASC", [ada], 9)
    tape.page("count=1&offset=4&sort_field=last_changed&sort_dir=ASC", [grace], 9)

    assert replayed(tape) == {}


def test_the_audiences_and_their_fields_are_those_of_the_answers(replayed):
    tape = Tape()
    contact = {
        "company": "C",
        "address1": "",
        "address2": "",
        "city": "",
        "state": "",
        "zip": "",
        "country": "US",
        "phone": "",
    }
    shown = {
        "id": LIST, "web_id": 3, "name": "Guests", "contact": contact, "permission_reminder": "x", "use_archive_bar": True,
        "campaign_defaults": {"from_name": "", "from_email": "", "subject": "", "language": "en"},
        "notify_on_subscribe": "", "notify_on_unsubscribe": "", "date_created": "2020-01-01T00:00:00+00:00",
        "list_rating": 3, "email_type_option": False, "subscribe_url_short": "http://eep.example/x",
        "subscribe_url_long": "https://x.example", "beamer_address": "b@inbound.example", "visibility": "pub",
        "double_optin": True, "has_welcome": False, "marketing_permissions": False, "modules": [], "stats": {"member_count": 4},
        "_links": [],
    }  # fmt: skip
    second = {**shown, "id": OTHER, "name": "Others", "double_optin": False}
    limits = {"may_create": False, "max_instances": 1, "current_total_instances": 3}
    tape.add(
        "GET",
        "/3.0/lists?count=2",
        {"lists": [second, shown], "total_items": 3, "constraints": limits, "_links": []},
    )
    field = {
        "merge_id": 5, "tag": "AGE", "name": "Age", "type": "number", "required": False, "default_value": "", "public": False,
        "display_order": 2, "options": {}, "help_text": "", "list_id": LIST, "_links": [],
    }  # fmt: skip
    tape.on_list(
        "GET",
        "/merge-fields?count=10",
        {"merge_fields": [field], "list_id": LIST, "total_items": 1, "_links": []},
    )
    tape.on_list("GET", "", shown)
    tape.add("GET", "/3.0/lists/ffffffffff", NOT_FOUND, 404)

    assert replayed(tape) == {}


def test_ping_login_and_refused_keys_are_asked_for_as_they_must_have_been(replayed):
    tape = Tape()
    tape.add("GET", "/3.0/ping", {"health_status": "Everything's Chimpy!"})
    bad = "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    tape.add("GET", "/3.0/", {"title": "API Key Invalid", "detail": bad}, 401)
    tape.add(
        "GET",
        "/3.0/",
        {"title": "API Key Missing", "detail": "Your request did not include an API key."},
        401,
    )
    busy = "You have exceeded the limit of 10 simultaneous connections."
    tape.add("GET", "/3.0/lists", {"title": "Too Many Requests", "detail": busy}, 429)
    login = {
        "dc": "us9",
        "role": "admin",
        "accountname": "A",
        "user_id": 7,
        "login_url": "https://login.mailchimp.com",
    }
    login |= {
        "login": {"email": "a@people.example", "login_id": 9},
        "api_endpoint": "https://us9.api.mailchimp.com",
    }
    tape.add("GET", "/oauth2/metadata", login)
    tape.lines[-1] |= {
        "host": "https://login.mailchimp.com:443",
        "headers": ["Content-Type", "application/json"],
    }
    tape.add("GET", "/oauth2/metadata", {"error": "invalid_token"})
    tape.lines[-1] |= {
        "host": "https://login.mailchimp.com:443",
        "headers": ["Content-Type", "application/json"],
    }

    assert replayed(tape) == {}


def test_who_is_only_written_to_was_there(replayed):
    tape = Tape()
    tape.on("POST", ADA, "", 204, {"tags": [{"name": "old", "status": "inactive"}]}, tail="/tags")
    changed = tape.time
    tape.on(
        "PATCH",
        ADA,
        tape.member(ADA, last_changed=changed, merge_fields={"FNAME": "Ada"}),
        200,
        {"merge_fields": {"FNAME": "Ada"}},
    )
    tape.on("DELETE", ADA, "", 204)
    removed = (
        "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived"
    )
    tape.on("DELETE", ADA, {"title": "Method Not Allowed", "detail": removed}, 405)
    tape.on("DELETE", GRACE, {"title": "Method Not Allowed", "detail": removed}, 405)
    tape.on("POST", EVE, "", 204, tail="/actions/delete-permanent").missing("GET", EVE)

    assert replayed(tape) == {}


def test_somebody_archived_before_the_first_line_comes_back(replayed):
    tape = Tape()
    tape.on("GET", ADA, tape.member(ADA, "archived", tags=["old"], merge_fields={"LNAME": "King"}))
    now = tape.time
    back = tape.member(ADA, opt=now, tags=["old"], merge_fields={"FNAME": "Ada", "LNAME": "King"})
    body = {"email_address": ADA, "status": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    tape.on_list("POST", "/members", back, 200, body)
    tape.on("GET", ADA, back)

    assert replayed(tape) == {}


def test_refusals_tell_what_had_happened_before(replayed):
    tape, body = Tape(), {"email_address": ADA, "status": "subscribed"}
    state = f"{ADA} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    tape.on("PUT", ADA, {"title": "Member In Compliance State", "detail": state}, 400, body)
    erased = f"{GRACE} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list."
    tape.on_list(
        "POST",
        "/members",
        {"title": "Forgotten Email Not Subscribed", "detail": erased},
        400,
        {**body, "email_address": GRACE},
    )
    exists = f"{EVE} is already a list member. Use PUT to insert or update list members."
    tape.on(
        "PUT",
        "nobody@people.example",
        {"title": "Member Exists", "detail": exists},
        400,
        {**body, "email_address": EVE},
    )
    for line in tape.lines:
        del line["resp"]["type"]
    lots = "lots@people.example has signed up to a lot of lists very recently; we're not allowing more signups for now"
    tape.on_list(
        "POST",
        "/members",
        {"title": "Invalid Resource", "detail": lots},
        400,
        {**body, "email_address": "lots@people.example"},
    )

    assert replayed(tape) == {}


def test_a_put_at_an_unknown_hash_makes_the_member_of_its_body(replayed):
    tape = Tape().missing("GET", ADA)
    made = tape.member(GRACE, opt=tape.time)
    tape.on("PUT", ADA, made, 200, {"email_address": GRACE, "status_if_new": "subscribed"})
    tape.missing("GET", ADA).on("GET", GRACE, made)

    assert replayed(tape) == {}


def test_each_file_is_a_world_of_its_own(replayed):
    one, two = Tape(), Tape(file="two.js", host="us3")
    for tape in (one, two):
        tape.missing("GET", ADA)
        made = tape.member(ADA, opt=tape.time)
        tape.on_list("POST", "/members", made, 200, {"email_address": ADA, "status": "subscribed"})
        tape.on("GET", ADA, made)
    mixed = Tape()
    mixed.lines = [line for pair in zip(one.lines, two.lines, strict=True) for line in pair]

    assert replayed(mixed) == {}


def test_groups_and_permissions_of_those_who_were_there_are_kept(replayed):
    tape = Tape()
    given = [{"marketing_permission_id": "p1", "text": "Email", "enabled": True}]
    ada = tape.member(ADA, interests={"i1": True, "i2": False}, marketing_permissions=given)
    tape.on("GET", ADA, ada)
    changed = tape.time
    after = {**ada, "interests": {"i1": False, "i2": False}, "last_changed": changed}
    tape.on("PATCH", ADA, after, 200, {"interests": {"i1": False}})

    assert replayed(tape) == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line["resp"].update(status="cleaned"),
        lambda line: line["resp"]["merge_fields"].update(FNAME="Eve"),
        lambda line: line["resp"].update(tags_count=1),
        lambda line: line["resp"].pop("source"),
        lambda line: line["resp"].update(contact_id="f" * 32),
        lambda line: line["resp"]["_links"][0].update(href="https://elsewhere.example"),
        lambda line: line.update(status=404),
        lambda line: line["headers"].__setitem__(1, "text/html"),
    ],
)
def test_a_second_answer_that_contradicts_the_first_is_noticed(replayed, spoil):
    tape = Tape()
    tape.on("GET", ADA, tape.member(ADA)).on("GET", ADA, tape.member(ADA))
    tape.lines = json.loads(json.dumps(tape.lines))
    spoil(tape.lines[1])

    assert list(replayed(tape)) == [1]


def test_a_total_below_what_the_pages_show_is_noticed(replayed):
    tape = Tape()
    tape.page("count=10", [tape.member(ADA), tape.member(GRACE)], 1)

    assert list(replayed(tape)) == [0]


def test_an_unknown_path_is_named(replayed):
    tape = Tape().add("GET", "/3.0/ecommerce/stores", {"stores": []})

    assert replayed(tape) == {
        0: ["GET /3.0/ecommerce/stores", "the simulator knows no GET /3.0/ecommerce/stores"]
    }


def test_the_command_takes_a_file_or_the_environment(tmp_path, monkeypatch, capsys):
    path = tmp_path / "recorded.jsonl"
    path.write_text(json.dumps(Tape().missing("GET", ADA).lines[0]) + "\n")
    monkeypatch.setenv("MUSTER_RECORDED", str(path))

    codes = main([]), main([str(path)])
    monkeypatch.delenv("MUSTER_RECORDED")

    assert (codes, main([])) == ((0, 0), 2)
    assert capsys.readouterr().out == "recorded exchanges: 1 of 1 equal\n" * 2


@pytest.mark.shared
@pytest.mark.parametrize("size", [1, 20])
def test_every_other_window_of_the_recording_replays_alike(shared, size):
    """What was there before a window is derived from its own answers."""
    exchanges = read_exchanges(shared / "mailchimp/recorded.jsonl")
    windows = [exchanges[start : start + size] for start in range(0, len(exchanges) - size + 1, 2)]

    unequal = [start for start, window in enumerate(windows) if replay(window).differences]

    assert unequal == []


@pytest.mark.shared
def test_beginnings_of_the_recording_replays_alike(shared):
    exchanges = read_exchanges(shared / "mailchimp/recorded.jsonl")

    unequal = [end for end in range(1, len(exchanges) + 1, 7) if replay(exchanges[:end]).differences]

    assert unequal == []


@pytest.mark.shared
def test_the_recording_of_another_audience_replays_alike(shared):
    text = (
        (shared / "mailchimp/recorded.jsonl")
        .read_text()
        .replace("a36b032126", OTHER)
        .replace("us3.", "us17.")
    )
    exchanges = [
        replace(one, world=f"file {number % 2}")
        for number in range(2)
        for one in map(_read, text.splitlines())
    ]

    comparison = replay(exchanges)

    assert (comparison.total, comparison.differences) == (len(exchanges), {})


def _read(line):
    from integrations.mailchimp.simulator import recording

    return recording._exchange(json.loads(line))
