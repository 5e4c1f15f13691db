"""Keys, headers, errors, fields and pages, as the real API has them (contract items 1 to 4)."""

import base64

import pytest

from integrations.mailchimp.simulator.member import md5_of

ADA = "ada@lovelace.example"


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_a_key_comes_as_bearer_or_as_the_password_of_anybody(api, scheme):
    key = api.world.config.api_key
    credentials = key if scheme == "Bearer" else base64.b64encode(f"anybody:{key}".encode()).decode()

    answer = api.client.get("/3.0/ping", headers={"Authorization": f"{scheme} {credentials}"})

    assert answer.json == {"health_status": "Everything's Chimpy!"}


@pytest.mark.parametrize(
    ("authorization", "status", "title"),
    [
        (None, 401, "API Key Missing"),
        ("Basic ???", 401, "API Key Missing"),
        ("Bearer ffffffffffffffffffffffffffffffff-us1", 401, "API Key Invalid"),
        ("Bearer 0123456789abcdef0123456789abcdef-us9", 403, "WrongDatacenter"),
    ],
)
def test_a_wrong_key_is_told_why(api, authorization, status, title):
    headers = {"Authorization": authorization} if authorization else {}

    answer = api.client.get("/3.0/ping", headers=headers)

    assert (status, title) == (answer.status_code, answer.json["title"])


@pytest.mark.parametrize(
    ("flag", "status", "title"),
    [("is_revoked", 401, "API Key Invalid"), ("is_disabled", 403, "User Disabled")],
)
def test_an_account_is_closed_and_opened_again(api, flag, status, title):
    api.sim("accounts", **{flag: True})
    closed = api.call("GET", "/ping")
    api.sim("accounts", **{flag: False})

    assert (status, title) == (closed.status_code, closed.json["title"])
    assert api.call("GET", "/ping").status_code == 200


def test_a_success_has_mailchimps_headers(api):
    api.put(ADA)

    answer = api.member("GET", ADA)

    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert 'rel="describedBy"' in answer.headers["Link"]
    assert 'rel="dashboard"' in answer.headers["Link"]
    assert answer.headers["Server"] == "openresty"
    names = [name.lower() for name, _ in answer.headers]
    assert [name for name in names if "ratelimit" in name or name == "retry-after"] == []


def test_a_refusal_is_a_problem_whose_instance_is_the_request(api):
    answer = api.member("GET", ADA)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert {
        "type": "https://mailchimp.com/developer/marketing/docs/errors/",
        "title": "Resource Not Found",
        "status": 404,
        "detail": "The requested resource could not be found.",
        "instance": answer.headers["X-Request-Id"],
    } == answer.json


def test_no_content_has_no_body_but_a_type(api):
    api.put(ADA)

    answer = api.member("DELETE", ADA)

    assert (answer.status_code, answer.data, answer.content_type) == (
        204,
        b"",
        "application/json; charset=utf-8",
    )


def test_a_wrong_method_names_the_right_ones(api):
    answer = api.call("DELETE", "/ping")

    assert (answer.status_code, answer.json["title"]) == (405, "Method Not Allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 200_000])
def test_bad_json_is_said_to_be_bad(api, body):
    key = api.world.config.api_key

    answer = api.client.post(
        f"/3.0/lists/{api.list_id}", data=body, headers={"Authorization": f"Bearer {key}"}
    )

    assert (answer.status_code, answer.json["title"]) == (400, "JSON Parse Error")


def test_fields_choose_by_dotted_paths_into_collections(api):
    api.put(ADA, merge_fields={"FNAME": "Ada"})

    assert {
        "members": [{"id": md5_of(ADA), "merge_fields": {"FNAME": "Ada"}}],
        "total_items": 1,
    } == api.members("?fields=members.id,members.merge_fields.FNAME,total_items")
    assert "_links" not in api.members("?exclude_fields=_links,members._links")["members"][0]
    assert "_links" in api.members()["members"][0]


def test_a_page_is_ten_long_and_past_the_end_empty(api):
    api.batch([{"email_address": f"p{n}@people.example", "status": "subscribed"} for n in range(12)])

    first, second, beyond = (api.members(query) for query in ("", "?count=5&offset=10", "?offset=99"))

    assert tuple(len(page["members"]) for page in (first, second, beyond)) == (10, 2, 0)
    assert {12} == {page["total_items"] for page in (first, second, beyond)}


@pytest.mark.parametrize("query", ["?count=1001", "?count=x", "?offset=-1", "?status=odd", "?sort_field=odd"])
def test_a_senseless_page_is_refused(api, query):
    answer = api.call("GET", f"/lists/{api.list_id}/members{query}")

    assert (answer.status_code, answer.json["title"]) == (400, "Invalid Resource")


def test_a_list_counts_its_members_afresh(api):
    for name, status in (("a", "subscribed"), ("b", "unsubscribed"), ("c", "cleaned"), ("d", "pending")):
        api.put(f"{name}@people.example", status)

    found = api.call("GET", f"/lists/{api.list_id}?include_total_contacts=true").json

    assert tuple(
        found["stats"][name]
        for name in ("member_count", "unsubscribe_count", "cleaned_count", "total_contacts")
    ) == (1, 1, 1, 4)
    assert (
        f"https://sim.us1.list-manage.com/subscribe?u=8d3a3db4d97663a9074efcc16&id={api.list_id}"
        == found["subscribe_url_long"]
    )
    assert [api.list_id] == [one["id"] for one in api.call("GET", "/lists").json["lists"]]


def test_another_accounts_list_is_not_found(api):
    other = "f" * 32 + "-us1"
    api.sim("accounts", api_key=other)

    assert api.call("GET", f"/lists/{api.list_id}", key=other).status_code == 404
    assert api.call("GET", "/lists", key=other).json["lists"] == []
