"""Batches and the webhooks that are told when one is finished, and the archive of a batch's answers."""

import hmac
import secrets
from typing import Any, cast

from flask import Blueprint, Response, current_app, request

from integrations.mailchimp.simulator.api.answers import (
    ROOT,
    account,
    answer,
    answer_page,
    nothing,
    read_body,
    read_object,
    shapes,
    world,
)
from integrations.mailchimp.simulator.api.webhooks import checked_url
from integrations.mailchimp.simulator.batch_worker import BatchWorker, archive_path
from integrations.mailchimp.simulator.batches import Batch, BatchWebhook, archive_of, read_operations
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.member import new_hex_id
from integrations.mailchimp.simulator.refusals import invalid, not_found, too_many_batches

routes = Blueprint("batches", __name__, url_prefix=ROOT)
archives = Blueprint("archives", __name__)
MOST_PENDING = 500
MOST_WEBHOOKS = 20


def _worker() -> BatchWorker:
    worker = cast("BatchWorker", current_app.extensions["batch_worker"])
    worker.origin = request.host_url.rstrip("/")
    return worker


def _mine() -> list[Batch]:
    return [one for one in world().batches.values() if one.api_key == account().api_key]


def _batch(batch_id: str) -> Batch:
    batch = world().batches.get(batch_id)
    if batch is None or batch.api_key != account().api_key:
        raise not_found()
    return batch


def _shape(batch: Batch) -> dict[str, Any]:
    is_finished = batch.status == "finished"
    own = f"/batches/{batch.batch_id}"
    return {
        "id": batch.batch_id,
        "status": batch.status,
        "total_operations": 0 if batch.status == "pending" else len(batch.operations),
        "finished_operations": batch.finished_count,
        "errored_operations": batch.errored_count,
        "submitted_at": iso(batch.submitted_at),
        "completed_at": iso(batch.completed_at),
        "response_body_url": request.host_url.rstrip("/") + archive_path(batch) if is_finished else "",
        "_links": shapes().own_links(own, can_update=False),
    }


@routes.get("/batches")
def get_batches() -> Response:
    with world().lock:
        shown = [_shape(one) for one in reversed(_mine())]
    return answer_page("batches", shown, "/batches", "Batches/Collection")


@routes.post("/batches")
def post_batch() -> Response:
    """Taken at once; carried out later."""
    operations = read_operations(read_body())
    with world().change():
        if sum(one.status != "finished" for one in _mine()) >= MOST_PENDING:
            raise too_many_batches(MOST_PENDING)
        now, token = world().clock.now(), secrets.token_hex(20)
        batch = Batch(world().made_up("id", new_hex_id()), account().api_key, operations, now, token)
        world().batches[batch.batch_id] = batch
        world().save_extras("batches")
        shown = _shape(batch)
    _worker().wake()
    return answer(shown, "Batches/Instance")


@routes.get("/batches/<batch_id>")
def get_batch(batch_id: str) -> Response:
    _worker().wake()
    with world().lock:
        return answer(_shape(_batch(batch_id)), "Batches/Instance")


@routes.delete("/batches/<batch_id>")
def delete_batch(batch_id: str) -> Response:
    with world().change():
        _batch(batch_id)
        del world().batches[batch_id]
        world().save_extras("batches")
    return nothing()


@archives.get("/batch-responses/<batch_id>-response.tar.gz")
def get_archive(batch_id: str) -> Response:
    """Asked without a key: the signature in the address lets in."""
    with world().lock:
        batch = world().batches.get(batch_id)
        offered = request.args.get("signature", "")
        if batch is None or batch.status != "finished" or not hmac.compare_digest(batch.token, offered):
            return Response("AccessDenied", 403, content_type="application/xml")
        return Response(archive_of(batch), content_type="application/x-gzip")


def _hook_shape(webhook: BatchWebhook) -> dict[str, Any]:
    own = f"/batch-webhooks/{webhook.webhook_id}"
    return {
        "id": webhook.webhook_id,
        "url": webhook.url,
        "enabled": webhook.is_enabled,
        "_links": shapes().own_links(own),
    }


def _my_hooks() -> list[BatchWebhook]:
    return [one for one in world().batch_webhooks.values() if one.api_key == account().api_key]


def _hook(webhook_id: str) -> BatchWebhook:
    webhook = world().batch_webhooks.get(webhook_id)
    if webhook is None or webhook.api_key != account().api_key:
        raise not_found()
    return webhook


@routes.get("/batch-webhooks")
def get_hooks() -> Response:
    shown = [_hook_shape(one) for one in _my_hooks()]
    return answer_page("webhooks", shown, "/batch-webhooks", "BatchWebhooks/Collection")


@routes.post("/batch-webhooks")
def post_hook() -> Response:
    body = read_object("url")
    url = checked_url(str(body["url"]))
    with world().change():
        if len(_my_hooks()) >= MOST_WEBHOOKS:
            raise invalid(f"You may have at most {MOST_WEBHOOKS} batch webhooks.")
        webhook = BatchWebhook(
            world().made_up("id", new_hex_id()),
            account().api_key,
            url,
            is_enabled=bool(body.get("enabled", True)),
        )
        world().batch_webhooks[webhook.webhook_id] = webhook
        world().save_extras("batch_webhooks")
    return answer(_hook_shape(webhook), "BatchWebhooks/Instance")


@routes.get("/batch-webhooks/<webhook_id>")
def get_hook(webhook_id: str) -> Response:
    return answer(_hook_shape(_hook(webhook_id)), "BatchWebhooks/Instance")


@routes.patch("/batch-webhooks/<webhook_id>")
def patch_hook(webhook_id: str) -> Response:
    body, webhook = read_object(), _hook(webhook_id)
    url = checked_url(str(body["url"])) if body.get("url") else webhook.url
    with world().change():
        webhook.url, webhook.is_enabled = url, bool(body.get("enabled", webhook.is_enabled))
        world().save_extras("batch_webhooks")
    return answer(_hook_shape(webhook), "BatchWebhooks/Instance")


@routes.delete("/batch-webhooks/<webhook_id>")
def delete_hook(webhook_id: str) -> Response:
    with world().change():
        _hook(webhook_id)
        del world().batch_webhooks[webhook_id]
        world().save_extras("batch_webhooks")
    return nothing()
