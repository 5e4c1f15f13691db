"""Batches and their webhooks (contract item 21)."""

import gzip
import io
import json
import tarfile
import time
from urllib.parse import urlsplit

import pytest

ADA, GRACE = "ada@lovelace.example", "grace@hopper.example"


def _post(email, **more):
    body = {"email_address": email, "status": "subscribed"}
    return {"method": "POST", "path": "/lists/a1b2c3d4e5/members", "body": json.dumps(body), **more}


def _batch(api, *operations):
    return api.call("POST", "/batches", {"operations": list(operations)})


def wait_for(seen):
    until = time.monotonic() + 5
    while not (found := seen()) and time.monotonic() < until:
        time.sleep(0.01)
    return found


def _finished(api, batch_id):
    def look():
        found = api.call("GET", f"/batches/{batch_id}").json
        return found if found["status"] == "finished" else None

    return wait_for(look)


def _archive(api, found):
    parts = urlsplit(found["response_body_url"])
    answer = api.client.get(f"{parts.path}?{parts.query}")
    with tarfile.open(fileobj=io.BytesIO(answer.data), mode="r:gz") as archive:
        entries = archive.getmembers()
        files = [json.loads(archive.extractfile(one).read()) for one in entries if one.isfile()]
    return entries, [result for file in files for result in file]


def test_a_batch_is_taken_at_once_and_carried_out_later(api):
    taken = _batch(
        api, _post(ADA, operation_id="one"), {"method": "GET", "path": "/lists/a1b2c3d4e5/members/x"}
    ).json
    found = _finished(api, taken["id"])
    entries, results = _archive(api, found)

    assert ("pending", 0, "", "") == tuple(
        taken[name] for name in ("status", "total_operations", "completed_at", "response_body_url")
    )
    assert (2, 2, 1) == tuple(found[f"{name}_operations"] for name in ("total", "finished", "errored"))
    assert (entries[0].name.rstrip("/"), entries[0].isdir()) == (".", True)
    assert [("one", 200), (None, 404)] == [(one["operation_id"], one["status_code"]) for one in results]
    assert json.loads(results[0]["response"])["email_address"] == ADA
    assert api.member("GET", ADA).json["status"] == "subscribed"


def test_the_tar_begins_with_the_folder_itself(api):
    found = _finished(api, _batch(api, _post(ADA)).json["id"])
    parts = urlsplit(found["response_body_url"])

    content = gzip.decompress(api.client.get(f"{parts.path}?{parts.query}").data)

    assert content.startswith(b"./\0")


def test_a_body_that_is_no_text_fails_by_itself(api):
    operations = [_post(ADA), {**_post(GRACE), "body": {"email_address": GRACE, "status": "subscribed"}}]
    found = _finished(api, _batch(api, *operations).json["id"])

    statuses = [one["status_code"] for one in _archive(api, found)[1]]

    assert (1, [200, 400]) == (found["errored_operations"], statuses)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operations": []},
        {"operations": [{"path": "/x"}]},
        {"operations": [{"method": "FLY", "path": "/"}]},
    ],
)
def test_operations_need_a_method_and_a_path(api, body):
    assert api.call("POST", "/batches", body).status_code == 400


def test_params_are_the_query_of_an_operation(api):
    api.put(ADA), api.put(GRACE)
    operation = {
        "method": "GET",
        "path": "/lists/a1b2c3d4e5/members",
        "params": {"count": 1, "fields": "total_items,members.id"},
    }

    result = _archive(api, _finished(api, _batch(api, operation).json["id"]))[1][0]

    assert json.loads(result["response"]).keys() == {"members", "total_items"}
    assert len(json.loads(result["response"])["members"]) == 1


def test_finalizing_lasts_as_long_as_the_switch_says(api):
    api.sim("switches", batch_finalize_seconds=7.4 * 3600)
    batch_id = _batch(api, _post(ADA)).json["id"]
    lagging = wait_for(
        lambda: (found := api.call("GET", f"/batches/{batch_id}").json)["status"] == "finalizing" and found
    )
    api.sim("clock", advance_seconds=8 * 3600)

    assert (lagging["finished_operations"], lagging["total_operations"], lagging["completed_at"]) == (
        1,
        1,
        "",
    )
    assert _finished(api, batch_id)["completed_at"] == "2026-01-01T08:00:00+00:00"


def test_a_pending_batch_waits_for_its_start_and_can_be_deleted(api):
    api.sim("switches", batch_start_seconds=3600)
    batch_id = _batch(api, _post(ADA)).json["id"]

    assert api.call("GET", f"/batches/{batch_id}").json["status"] == "pending"
    assert api.call("DELETE", f"/batches/{batch_id}").status_code == 204
    assert api.call("GET", f"/batches/{batch_id}").status_code == 404
    assert api.call("GET", "/batches").json["total_items"] == 0


def test_the_five_hundred_and_first_pending_batch_is_too_many(api):
    api.sim("switches", batch_start_seconds=3600)
    statuses = [_batch(api, _post(ADA)).status_code for _ in range(501)]

    assert (statuses[:500], statuses[500]) == ([200] * 500, 429)
    assert api.call("GET", "/batches?count=3").json["total_items"] == 500


def test_the_archive_wants_its_signature(api):
    found = _finished(api, _batch(api, _post(ADA)).json["id"])

    assert api.client.get(urlsplit(found["response_body_url"]).path + "?signature=x").status_code == 403


def test_operations_of_a_batch_take_no_connection_and_no_batch_within(api):
    api.sim("switches", connection_limit=1)
    found = _finished(api, _batch(api, _post(ADA), {"method": "GET", "path": "/batches"}).json["id"])

    assert [200, 400] == [one["status_code"] for one in _archive(api, found)[1]]


def test_a_finished_batch_is_told_to_its_webhooks(api, ear):
    hook = api.call("POST", "/batch-webhooks", {"url": ear.url}).json
    batch_id = _batch(api, _post(ADA)).json["id"]

    heard = ear.wait_for(1)[0]

    assert (hook["enabled"], ear.agents) == (True, ["MailChimp.com WebHook Validator"])
    assert ("batch_operation_completed", batch_id, "1") == (
        heard["type"],
        heard["data[id]"],
        heard["data[finished_operations]"],
    )
    assert "/batch-responses/" in heard["data[response_body_url]"]


def test_batch_webhooks_are_changed_and_deleted(api, ear):
    hook_id = api.call("POST", "/batch-webhooks", {"url": ear.url}).json["id"]
    ear.get_status = 500

    assert api.call("PATCH", f"/batch-webhooks/{hook_id}", {"url": ear.url}).status_code == 400
    assert api.call("PATCH", f"/batch-webhooks/{hook_id}", {"enabled": False}).json["enabled"] is False
    assert api.call("GET", "/batch-webhooks").json["webhooks"][0]["enabled"] is False
    assert api.call("DELETE", f"/batch-webhooks/{hook_id}").status_code == 204
    assert api.call("GET", f"/batch-webhooks/{hook_id}").status_code == 404


def test_no_more_than_twenty_batch_webhooks(api, ear):
    statuses = [api.call("POST", "/batch-webhooks", {"url": f"{ear.url}{n}"}).status_code for n in range(21)]

    assert (statuses[:20], statuses[20]) == ([200] * 20, 400)
