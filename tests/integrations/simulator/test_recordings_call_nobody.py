"""In a replay nothing is sent to anybody: recorded webhooks are real addresses."""

from tests.integrations.simulator.tape import LIST, Tape

EVENTS = dict.fromkeys(("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"), True)
SOURCES = dict.fromkeys(("user", "admin", "api"), True)


def _hook(url: str) -> dict[str, object]:
    return {
        "id": "4f8d2e7a1b",
        "url": url,
        "events": EVENTS,
        "sources": SOURCES,
        "list_id": LIST,
        "_links": [],
    }


def test_a_replay_calls_no_recorded_webhook(replayed, ear):
    tape, hook = Tape(), _hook(ear.url)
    tape.on_list("GET", "/webhooks", {"webhooks": [hook], "list_id": LIST, "total_items": 1, "_links": []})
    for number in range(20):
        email = f"new{number}@people.example"
        body = {"email_address": email, "status": "subscribed"}
        tape.on_list("POST", "/members", tape.member(email, opt=tape.time), 200, body)

    assert (replayed(tape), ear.heard, ear.agents) == ({}, [], [])


def test_the_check_of_a_new_webhooks_url_ends_as_recorded_and_asks_nobody(replayed, ear):
    tape, hook = Tape(), _hook(ear.url)
    told = {name: hook[name] for name in ("url", "events", "sources")}
    refusal = {
        "title": "Invalid Resource",
        "detail": "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
        "errors": [
            {
                "field": "url",
                "message": "We couldn't reach the WebHook URL you provided: it must answer a GET request with 200",
            }
        ],
    }
    tape.on_list("POST", "/webhooks", refusal, 400, told).on_list("POST", "/webhooks", hook, 200, told)
    tape.on_list(
        "PATCH", "/webhooks/4f8d2e7a1b", {**hook, "url": f"{ear.url}/2"}, 200, {"url": f"{ear.url}/2"}
    )

    assert (replayed(tape), ear.agents) == ({}, [])


def test_a_batch_webhook_is_not_called_either(replayed, ear):
    tape = Tape()
    hook = {"id": "0a1b2c3d4e", "url": ear.url, "enabled": True, "_links": []}
    tape.add("POST", "/3.0/batch-webhooks", hook, 200, {"url": ear.url, "enabled": True})
    batch = {
        "id": "8b2428d747", "status": "pending", "total_operations": 0, "finished_operations": 0,
        "errored_operations": 0, "submitted_at": tape.time, "completed_at": "", "response_body_url": "", "_links": [],
    }  # fmt: skip
    tape.add("POST", "/3.0/batches", batch, 200, {"operations": [{"method": "GET", "path": "/lists"}]})
    finished = {
        "status": "finished",
        "total_operations": 1,
        "finished_operations": 1,
        "completed_at": tape.time,
    }
    tape.add(
        "GET", "/3.0/batches/8b2428d747", {**batch, **finished, "response_body_url": "https://x.example"}
    )

    assert (replayed(tape), ear.agents, ear.heard) == ({}, [], [])
