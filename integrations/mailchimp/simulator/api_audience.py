"""The routes under /3.0 for an audience's own furniture: merge fields and webhooks."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from integrations.mailchimp.simulator.api import answer, audience_of, nothing, read_body, shapes, world
from integrations.mailchimp.simulator.listing import read_count
from integrations.mailchimp.simulator.merge import TYPES
from integrations.mailchimp.simulator.refusals import Refusal, invalid, not_found, not_validated
from integrations.mailchimp.simulator.state import Audience, MergeField, Webhook
from integrations.mailchimp.simulator.webhooks import is_url_answering

furniture = Blueprint("furniture", __name__, url_prefix="/3.0")
MERGE_FIELD_LIMIT = 30
TAG = re.compile(r"^[A-Z0-9_]{1,10}$")
EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
SOURCES = ("user", "admin", "api")
# merge field: key in the body -> attribute
FIELD_KEYS = {
    "name": "name",
    "required": "is_required",
    "default_value": "default_value",
    "public": "is_public",
    "display_order": "display_order",
    "options": "options",
    "help_text": "help_text",
}


@furniture.get("/lists/<list_id>/merge-fields")
def get_merge_fields(list_id: str) -> Response:
    audience = audience_of(list_id)
    count, offset = read_count(request.args)
    wanted_type, is_required = request.args.get("type"), request.args.get("required")
    found = [
        field
        for field in audience.fields_by_tag().values()
        if (not wanted_type or field.type == wanted_type)
        and (not is_required or field.is_required == (is_required == "true"))
    ]
    body = {
        "merge_fields": [shapes().merge_field(audience, field) for field in found[offset : offset + count]],
        "list_id": list_id,
        "total_items": len(found),
        "merge_field_limit": MERGE_FIELD_LIMIT,
        "_links": [shapes().link("self", f"/lists/{list_id}/merge-fields")],
    }
    return answer(body, "Lists/MergeFields/Collection")


@furniture.post("/lists/<list_id>/merge-fields")
def post_merge_field(list_id: str) -> Response:
    audience, body = audience_of(list_id), _object(read_body())
    missing = [name for name in ("name", "type") if not body.get(name)]
    if missing:
        raise not_validated(("", "Required fields were not provided: " + ", ".join(missing)))
    if body["type"] not in TYPES:
        raise not_validated(("type", "Value must be one of: " + ", ".join(TYPES)))
    with world().change():
        if len(audience.merge_fields) >= MERGE_FIELD_LIMIT:
            raise invalid(f"This audience has reached the limit of {MERGE_FIELD_LIMIT} merge fields.")
        merge_id = max(audience.merge_fields, default=0) + 1
        tag = _free_tag(audience, str(body.get("tag") or f"MMERGE{merge_id}"))
        field = MergeField(merge_id, tag, str(body["name"]), str(body["type"]), display_order=merge_id + 1)
        _settle_options(field, body)
        audience.merge_fields[merge_id] = field
        world().save_audience(audience)
    return answer(shapes().merge_field(audience, field), "Lists/MergeFields/Instance")


@furniture.get("/lists/<list_id>/merge-fields/<int:merge_id>")
def get_merge_field(list_id: str, merge_id: int) -> Response:
    audience = audience_of(list_id)
    return answer(shapes().merge_field(audience, _field(audience, merge_id)), "Lists/MergeFields/Instance")


@furniture.patch("/lists/<list_id>/merge-fields/<int:merge_id>")
def patch_merge_field(list_id: str, merge_id: int) -> Response:
    audience, body = audience_of(list_id), _object(read_body())
    with world().change():
        field = _field(audience, merge_id)
        tag = str(body.get("tag") or field.tag)
        if tag != field.tag:
            _rename_tag(audience, field, _free_tag(audience, tag))
        _settle_options(field, body)
        world().save_audience(audience)
    return answer(shapes().merge_field(audience, field), "Lists/MergeFields/Instance")


@furniture.delete("/lists/<list_id>/merge-fields/<int:merge_id>")
def delete_merge_field(list_id: str, merge_id: int) -> Response:
    audience = audience_of(list_id)
    with world().change():
        field = _field(audience, merge_id)
        del audience.merge_fields[merge_id]
        for member in audience.members():
            if member.merge_fields.pop(field.tag, None) is not None:
                world().save_member(audience, member)
        world().save_audience(audience)
    return nothing()


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise not_validated(("", "Schema describes object, string found instead"))
    return body


def _field(audience: Audience, merge_id: int) -> MergeField:
    field = audience.merge_fields.get(merge_id)
    if field is None:
        raise not_found()
    return field


def _free_tag(audience: Audience, tag: str) -> str:
    tag = tag.upper()
    if not TAG.match(tag) or tag == "EMAIL":
        raise not_validated(("tag", "Tags can be up to 10 letters, digits and underscores"))
    if tag in audience.fields_by_tag():
        raise invalid(f'A Merge Field with the tag "{tag}" already exists for this list.')
    return tag


def _rename_tag(audience: Audience, field: MergeField, tag: str) -> None:
    for member in audience.members():
        if field.tag in member.merge_fields:
            member.merge_fields[tag] = member.merge_fields.pop(field.tag)
            world().save_member(audience, member)
    field.tag = tag


def _settle_options(field: MergeField, body: Mapping[str, Any]) -> None:
    for key, attribute in FIELD_KEYS.items():
        if key in body and isinstance(body[key], type(getattr(field, attribute))):
            setattr(field, attribute, body[key])


@furniture.get("/lists/<list_id>/webhooks")
def get_webhooks(list_id: str) -> Response:
    audience = audience_of(list_id)
    body = {
        "webhooks": [shapes().webhook(audience, one) for one in audience.webhooks.values()],
        "list_id": list_id,
        "total_items": len(audience.webhooks),
        "_links": [shapes().link("self", f"/lists/{list_id}/webhooks")],
    }
    return answer(body, "Lists/Webhooks/Collection")


@furniture.post("/lists/<list_id>/webhooks")
def post_webhook(list_id: str) -> Response:
    audience, body = audience_of(list_id), _object(read_body())
    url = _checked_url(str(body.get("url") or ""))
    events, sources = _flags(body.get("events"), EVENTS, {}), _flags(body.get("sources"), SOURCES, {})
    webhook = Webhook(secrets.token_hex(5), url, events, sources, secret="whsec_" + secrets.token_hex(24))
    with world().change():
        if any(one.url == url for one in audience.webhooks.values()):
            raise invalid("Sorry, you can't set up multiple WebHooks for one URL")
        audience.webhooks[webhook.webhook_id] = webhook
        world().save_audience(audience)
    return answer(shapes().webhook(audience, webhook, has_secret=True), "Lists/Webhooks/Instance")


@furniture.get("/lists/<list_id>/webhooks/<webhook_id>")
def get_webhook(list_id: str, webhook_id: str) -> Response:
    audience = audience_of(list_id)
    return answer(shapes().webhook(audience, _webhook(audience, webhook_id)), "Lists/Webhooks/Instance")


@furniture.patch("/lists/<list_id>/webhooks/<webhook_id>")
def patch_webhook(list_id: str, webhook_id: str) -> Response:
    audience, body = audience_of(list_id), _object(read_body())
    webhook = _webhook(audience, webhook_id)
    url = _checked_url(str(body["url"])) if body.get("url") else webhook.url
    with world().change():
        webhook.url = url
        webhook.events = _flags(body.get("events"), EVENTS, webhook.events)
        webhook.sources = _flags(body.get("sources"), SOURCES, webhook.sources)
        world().save_audience(audience)
    return answer(shapes().webhook(audience, webhook), "Lists/Webhooks/Instance")


@furniture.delete("/lists/<list_id>/webhooks/<webhook_id>")
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


def _checked_url(url: str) -> str:
    """The URL, once it has answered the validating GET with 200. Asked outside the lock: it may call us back."""
    if not is_url_answering(url, world().config.webhook_timeout_seconds):
        raise Refusal(
            400,
            "Invalid Resource",
            "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
            (
                (
                    "url",
                    "We couldn't reach the WebHook URL you provided: it must answer a GET request with 200",
                ),
            ),
        )
    return url


def _flags(wanted: Any, names: tuple[str, ...], before: Mapping[str, bool]) -> dict[str, bool]:
    chosen = wanted if isinstance(wanted, dict) else {}
    return {name: bool(chosen.get(name, before.get(name, False))) for name in names}
