"""The story: people knock at every door, and each ends up once in the customer database and the audience."""

import json

import pytest
import requests

from tests.kit.graph import graph_answering
from tests.kit.running import RunningMuster, running_muster, wait_until
from tests.kit.signed import meta_signature, post_person

LEADS = {
    str(number): {
        "id": str(number),
        "form_id": "77",
        "created_time": "2026-11-20T08:49:14+0000",
        "field_data": [
            {"name": "full_name", "values": [f"Lead Number{number}"]},
            {"name": "email", "values": [f"lead{number}@mail.example"]},
        ],
        "custom_disclaimer_responses": [
            {"checkbox_key": "newsletter_ok", "is_checked": "1" if number != 903 else ""}
        ],
    }
    for number in (901, 902, 903)
}


@pytest.fixture(scope="module")
def muster():
    with running_muster() as running:
        yield running


def find_one(muster: RunningMuster, query: str) -> dict:
    found = wait_until(lambda: muster.ask("contacts", "find", query), 15, query)
    assert [query] == [contact["fields"].get("email", "").lower() for contact in found]
    return found[0]


def wait_member(muster: RunningMuster, email: str, status: str) -> dict:
    def ask():
        member = muster.members().get(email)
        return member if member and member["status"] == status else None

    return wait_until(ask, 15, f"{email} {status}")


@pytest.fixture(scope="module")
def form(muster) -> str:
    return muster.ask("sources", "add", "website", "alumni-form")["hook_url"]


def test_two_spellings_are_one_person_and_one_member(muster, form):
    first = requests.post(
        form, data={"name": "Ana López", "email": "Ana.Lopez@mail.example", "newsletter": "yes"}, timeout=10
    )
    wait_member(muster, "ana.lopez@mail.example", "subscribed")
    second = requests.post(
        form,
        data={
            "first_name": "ANA",
            "last_name": "Lopez",
            "email": " ana.lopez@MAIL.example ",
            "newsletter": "on",
        },
        timeout=10,
    )
    wait_until(muster.is_drained, 15)

    assert first.status_code < 400
    assert second.status_code < 400
    assert 1 == len(muster.ask("contacts", "find", "ana.lopez@mail.example"))
    assert 1 == sum("lopez" in email for email in muster.members())


def test_a_signed_webhook_arrives_and_its_repeat_changes_nothing(muster):
    source = muster.ask("sources", "add", "standard_webhooks", "shop")
    person = {"email": "bo@mail.example", "first_name": "Bo", "last_name": "Karlsson", "newsletter": True}

    statuses = [post_person(source["hook_url"], source["secret"], "msg_1", person) for _ in range(3)]

    wait_member(muster, "bo@mail.example", "subscribed")
    assert [200, 200, 200] == [200 if status < 300 else status for status in statuses]
    assert [(1,)] == muster.select("SELECT count(*) FROM deliveries WHERE key LIKE '%msg_1%'")


def test_a_batch_of_three_leads_becomes_three_people_and_two_members(muster):
    with graph_answering(LEADS) as graph:
        source = muster.ask(
            "sources",
            "add",
            "meta_leads",
            "meta",
            "--set",
            "app_secret=app-secret-of-a-test",
            "--set",
            "page_token=page-token-of-a-test",
            "--set",
            f"graph_base_url={graph}",
        )
        changes = [
            {
                "field": "leadgen",
                "value": {"leadgen_id": int(lead), "page_id": 5, "form_id": 77, "created_time": 1763628554},
            }
            for lead in LEADS
        ]
        body = json.dumps(
            {"object": "page", "entry": [{"id": 5, "time": 1763628555, "changes": changes}]}
        ).encode()

        answer = requests.post(
            source["hook_url"], data=body, headers=meta_signature("app-secret-of-a-test", body), timeout=10
        )

        assert 200 == answer.status_code
        wait_member(muster, "lead901@mail.example", "subscribed")
        wait_member(muster, "lead902@mail.example", "subscribed")
        find_one(muster, "lead903@mail.example")
        wait_until(muster.is_drained, 15)
    assert "lead903@mail.example" not in muster.members()


def test_a_list_of_250_joins_and_a_second_run_writes_nothing(muster, tmp_path):
    sheet = tmp_path / "alumni.csv"
    rows = [f"Person{n},Family{n},person{n}@alumni.example,{1960 + n % 60},yes" for n in range(250)]
    sheet.write_text("\n".join(["First name,Last name,Email,Class year,Newsletter", *rows]) + "\n")

    first = muster.ask("lists", "run", str(sheet), "--preset", "plain_sheet")
    wait_until(
        lambda: sum("@alumni.example" in email for email in muster.members()) == 250, 30, "250 members"
    )
    wait_until(muster.is_drained, 15)
    calls = muster.calls()
    second = muster.ask("lists", "run", str(sheet), "--preset", "plain_sheet")
    wait_until(muster.is_drained, 15)

    assert (250, 0, 0) == tuple(first["counts"][name] for name in ("joiners", "unchanged", "invalid"))
    assert (0, 0, 250) == tuple(second["counts"][name] for name in ("joiners", "changed", "unchanged"))
    assert calls == muster.calls()


def test_who_unsubscribes_at_mailchimp_stays_out(muster, form):
    muster.act("unsubscribe", "bo@mail.example")
    contact = find_one(muster, "bo@mail.example")

    def is_withdrawn():
        shown = muster.ask("contacts", "show", str(contact["id"]))
        return any(consent["status"] == "withdrawn" for consent in shown["consents"])

    wait_until(is_withdrawn, 20, "the opt-out in the ledger")
    requests.post(
        form, data={"name": "Bo Karlsson", "email": "BO@mail.example", "newsletter": "yes"}, timeout=10
    )
    wait_until(muster.is_drained, 15)

    entries = muster.journal(email="bo@mail.example")
    asked = [
        note["is_subscribing"]
        for entry in entries
        for note in entry["notes"]
        if note["email"] == "bo@mail.example"
    ]
    assert "unsubscribed" == muster.members()["bo@mail.example"]["status"]
    assert 1 == sum(asked)
    assert is_withdrawn()


def test_a_contact_that_did_not_change_costs_no_call(muster, form):
    wait_until(muster.is_drained, 15)
    calls = muster.calls()

    requests.post(form, data={"email": "ana.lopez@mail.example"}, timeout=10)
    wait_until(
        lambda: (
            muster.select(
                "SELECT count(*) FROM deliveries WHERE received_at > now() - interval '5 seconds' AND settled_at IS NOT NULL"
            )
            != [(0,)]
        ),
        15,
    )
    wait_until(muster.is_drained, 15)

    assert calls == muster.calls()


def test_everything_stops_in_ten_seconds_and_leaves_no_process(muster):
    below = muster.descendants()

    took = muster.stop()

    assert took < 10
    assert [] == [process.pid for process in below if process.is_running() and process.status() != "zombie"]
