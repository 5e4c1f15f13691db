"""Arranges for one recorded request what no recording says: which key was offered, who was busy, what came of a batch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from integrations.mailchimp.simulator.audience import Account
from integrations.mailchimp.simulator.batch_worker import BatchWorker
from integrations.mailchimp.simulator.batches import Batch
from integrations.mailchimp.simulator.person import seconds_of
from integrations.mailchimp.simulator.recorded_world import RecordedWorld
from integrations.mailchimp.simulator.recording import Exchange, objects_of

DIGITS, ELSEWHERE = "0" * 32, "e" * 32
LOGIN = "/oauth2/metadata"
TOKEN = "replayed-token"  # noqa: S105 - opens the replaying world alone
OFFERED = {
    "API Key Missing": "",
    "API Key Invalid": f"{'f' * 32}-us1",
    "WrongDatacenter": f"{ELSEWHERE}-us99",
}
# Faults by status and title, or else by status and what the body is.
FAULTS: Mapping[tuple[int, str], str] = {
    (403, "Forbidden"): "403",
    (503, "Compliance Related"): "503_compliance",
    (403, "html"): "403_html",
    (403, "empty"): "403_empty",
    **{
        (status, form): f"{status}{ending}"
        for status in (429, 500, 502, 503, 504)
        for form, ending in (("json", ""), ("html", "_html"), ("empty", "_empty"))
    },
}
UNSEEN = "of a batch from before"  # a token
WORKED = frozenset({"finalizing", "finished"})


class StillWorker(BatchWorker):
    """Works only when it is told to: when, the recording says."""

    def wake(self) -> None:
        """Not by itself."""


def fault_of(exchange: Exchange) -> str:
    """The kind of fault that the answer shows; empty for an answer to the request itself."""
    title = str(exchange.found.get("title"))
    return FAULTS.get((exchange.status, title)) or FAULTS.get((exchange.status, exchange.form), "")


def offered_headers(world: RecordedWorld, exchange: Exchange) -> dict[str, str]:
    """Headers that no recording holds: as the answer shows that they must have been."""
    if exchange.path.startswith(LOGIN):
        return {"Authorization": f"OAuth {TOKEN if 'api_endpoint' in exchange.found else 'unknown'}"}
    title = str(exchange.found.get("title")) if exchange.status in {401, 403, 422} else ""
    key = OFFERED.get(title, world.config.api_key)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if title == "WrongDatacenter":
        _settle_elsewhere(world, exchange)
    if title == "Invalid Method Override":
        headers["X-HTTP-Method-Override"] = "PATCH"
    return headers


def _settle_elsewhere(world: RecordedWorld, exchange: Exchange) -> None:
    """The account whose key was offered to the wrong data centre is at the one that the refusal names."""
    centre = str(exchange.found.get("detail")).rstrip("'.").rpartition("'")[2]
    for key in [key for key in world.accounts if key.startswith(ELSEWHERE)]:
        del world.accounts[key]
    world.accounts[f"{ELSEWHERE}-{centre}"] = Account(f"{ELSEWHERE}-{centre}")


@contextmanager
def arranged(world: RecordedWorld, worker: BatchWorker, exchange: Exchange) -> Iterator[None]:
    """Busy servers, disabled users, ids to come and finished batches: for this one request."""
    account, kind = world.accounts[world.config.api_key], fault_of(exchange)
    account.is_disabled = exchange.found.get("title") == "User Disabled"
    if kind:
        world.faults.add_kind(kind)
    _foretell_tag(world, exchange)
    if exchange.parts[:1] == ["batches"] and exchange.method == "GET" and exchange.is_fine:
        for told in [exchange.found, *objects_of(exchange.found, "batches")]:
            _bring_on(world, worker, told)
    world.exchange = exchange
    try:
        yield
    finally:
        world.exchange = None
        world.faults.clear()


def _foretell_tag(world: RecordedWorld, exchange: Exchange) -> None:
    """A new segment has the recorded id, whichever another one of this name had before."""
    is_new = exchange.method == "POST" and exchange.parts[2:] == ["segments"] and exchange.is_fine
    audience = world.audiences.get(exchange.parts[1]) if is_new else None
    if audience is not None and "id" in exchange.found:
        audience.foretold_ids[str(exchange.told.get("name")).strip().casefold()] = int(exchange.found["id"])


def _bring_on(world: RecordedWorld, worker: BatchWorker, told: Mapping[str, Any]) -> None:
    """A batch is as far as the answer says; its operations are carried out once they are said to be finished."""
    batch = world.batches.get(str(told.get("id")))
    if batch is None or "status" not in told:
        return
    is_unseen = batch.token == UNSEEN
    if is_unseen:
        batch.operations = [{}] * int(told.get("total_operations") or 0)
    if told["status"] in WORKED and batch.status not in WORKED and not is_unseen:
        worker.work(batch)
    elif is_unseen or batch.status not in WORKED:
        batch.finished_count = int(told.get("finished_operations") or 0)
        batch.errored_count = int(told.get("errored_operations") or 0)
    batch.status, batch.completed_at = str(told["status"]), seconds_of(told.get("completed_at"))


def plant_batches(world: RecordedWorld, exchanges: list[Exchange]) -> None:
    """Batches that were there before: what they were to do, nobody knows."""
    made = {one.found.get("id") for one in exchanges if one.method == "POST" and one.parts == ["batches"]}
    for exchange in exchanges:
        if exchange.parts[:1] != ["batches"] or not exchange.is_fine:
            continue
        shown = [exchange.found, *objects_of(exchange.found, "batches")] if exchange.method == "GET" else []
        shown += [{"id": exchange.parts[1]}] if exchange.method == "DELETE" else []
        for told in shown:
            if "id" in told and told["id"] not in made | world.batches.keys():
                since = seconds_of(told.get("submitted_at"))
                world.batches[told["id"]] = Batch(told["id"], world.config.api_key, [], since, UNSEEN)
