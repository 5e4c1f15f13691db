"""The webhooks of an audience: made, changed and taken away, each URL asked before it is kept."""

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from integrations.mailchimp.simulator.api.answers import (
    LIST,
    ROOT,
    answer,
    audience_of,
    nothing,
    read_object,
    shapes,
    world,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.member import new_hex_id
from integrations.mailchimp.simulator.parts import Webhook
from integrations.mailchimp.simulator.refusals import invalid, not_found, not_validated

routes = Blueprint("webhooks", __name__, url_prefix=ROOT)
EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
SOURCES = ("user", "admin", "api")
UNREACHED = "We couldn't reach the WebHook URL you provided: it must answer a GET request with 200"


def new_secret() -> str:
    return "whsec_" + secrets.token_hex(24)


@routes.get(LIST + "/webhooks")
def get_webhooks(list_id: str) -> Response:
    audience = audience_of(list_id)
    body = {
        "webhooks": [shapes().webhook(audience, one) for one in audience.webhooks.values()],
        "list_id": list_id,
        "total_items": len(audience.webhooks),
        "_links": [shapes().link("self", f"/lists/{list_id}/webhooks")],
    }
    return answer(body, "Lists/Webhooks/Collection")


@routes.post(LIST + "/webhooks")
def post_webhook(list_id: str) -> Response:
    audience, body = audience_of(list_id), read_object()
    url = checked_url(str(body.get("url") or ""))
    events, sources = _flags(body.get("events"), EVENTS, {}), _flags(body.get("sources"), SOURCES, {})
    webhook = Webhook(world().made_up("id", new_hex_id()), url, events, sources, secret=new_secret())
    with world().change():
        if any(one.url == url for one in audience.webhooks.values()):
            raise invalid("Sorry, you can't set up multiple WebHooks for one URL")
        audience.webhooks[webhook.webhook_id] = webhook
        world().save_audience(audience)
    return answer(shapes().webhook(audience, webhook, has_secret=True), "Lists/Webhooks/Instance")


@routes.get(LIST + "/webhooks/<webhook_id>")
def get_webhook(list_id: str, webhook_id: str) -> Response:
    audience = audience_of(list_id)
    return answer(shapes().webhook(audience, _webhook(audience, webhook_id)), "Lists/Webhooks/Instance")


@routes.patch(LIST + "/webhooks/<webhook_id>")
def patch_webhook(list_id: str, webhook_id: str) -> Response:
    audience, body = audience_of(list_id), read_object()
    webhook = _webhook(audience, webhook_id)
    url = checked_url(str(body["url"])) if body.get("url") else webhook.url
    with world().change():
        webhook.url = url
        webhook.events = _flags(body.get("events"), EVENTS, webhook.events)
        webhook.sources = _flags(body.get("sources"), SOURCES, webhook.sources)
        world().save_audience(audience)
    return answer(shapes().webhook(audience, webhook), "Lists/Webhooks/Instance")


@routes.delete(LIST + "/webhooks/<webhook_id>")
def delete_webhook(list_id: str, webhook_id: str) -> Response:
    audience = audience_of(list_id)
    with world().change():
        _webhook(audience, webhook_id)
        del audience.webhooks[webhook_id]
        world().save_audience(audience)
    return nothing()


def _webhook(audience: Audience, webhook_id: str) -> Webhook:
    webhook = audience.webhooks.get(webhook_id)
    if webhook is None:
        raise not_found()
    return webhook


def checked_url(url: str) -> str:
    """The URL, once it has answered the validating GET with 200. Asked outside the lock: it may call us back."""
    if not world().is_url_answering(url):
        raise not_validated(("url", UNREACHED))
    return url


def _flags(wanted: Any, names: tuple[str, ...], before: Mapping[str, bool]) -> dict[str, bool]:
    chosen = wanted if isinstance(wanted, dict) else {}
    return {name: bool(chosen.get(name, before.get(name, False))) for name in names}
