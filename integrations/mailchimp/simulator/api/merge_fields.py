"""The merge fields of an audience."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from integrations.mailchimp.simulator.api.answers import (
    LIST,
    ROOT,
    answer,
    answer_page,
    audience_of,
    nothing,
    read_object,
    shapes,
    world,
)
from integrations.mailchimp.simulator.audience import Audience
from integrations.mailchimp.simulator.merge import TYPES
from integrations.mailchimp.simulator.parts import MergeField
from integrations.mailchimp.simulator.refusals import (
    BLANK,
    invalid,
    not_accepted,
    not_found,
    not_validated,
)
from integrations.mailchimp.simulator.wishes import mistyped, mistyped_elements

routes = Blueprint("merge_fields", __name__, url_prefix=ROOT)
MERGE_FIELD_LIMIT = 30
TAG = re.compile(r"^[A-Z0-9_]{1,10}$")
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
# key in the body -> its JSON type, by the definition; the same of options
SHAPE: Mapping[str, type] = {
    "tag": str,
    "name": str,
    "type": str,
    "required": bool,
    "default_value": str,
    "public": bool,
    "display_order": int,
    "options": dict,
    "help_text": str,
}
OPTIONS: Mapping[str, type] = {
    "default_country": int,
    "phone_format": str,
    "date_format": str,
    "choices": list,
    "size": int,
}
OF_CHOICES = ("radio", "dropdown")


@routes.get(LIST + "/merge-fields")
def get_merge_fields(list_id: str) -> Response:
    audience = audience_of(list_id)
    wanted_type, is_required = request.args.get("type"), request.args.get("required")
    found = [
        field
        for _, field in sorted(audience.fields_by_tag().items())  # the real API's order, as recorded
        if (not wanted_type or field.type == wanted_type)
        and (not is_required or field.is_required == (is_required == "true"))
    ]
    shown = [shapes().merge_field(audience, field) for field in found]
    return answer_page(
        "merge_fields",
        shown,
        f"/lists/{list_id}/merge-fields",
        "Lists/MergeFields/Collection",
        list_id=list_id,
        merge_field_limit=MERGE_FIELD_LIMIT,
    )


@routes.post(LIST + "/merge-fields")
def post_merge_field(list_id: str) -> Response:
    audience, body = audience_of(list_id), read_object("name", "type")
    _check_shape(body)
    if body["type"] not in TYPES:
        raise not_validated(("type", not_accepted(TYPES)))
    _check_choices(body["type"], body.get("options", {}))
    with world().change():
        if len(audience.merge_fields) >= MERGE_FIELD_LIMIT:
            raise invalid(f"This audience has reached the limit of {MERGE_FIELD_LIMIT} merge fields.")
        merge_id = world().made_up("merge_id", max(audience.merge_fields, default=0) + 1)
        tag = _free_tag(audience, str(body.get("tag") or f"MMERGE{merge_id}"))
        field = MergeField(merge_id, tag, str(body["name"]), str(body["type"]))
        field.display_order = world().made_up("display_order", merge_id + 1)
        field.options = world().made_up("options", {})
        _settle_options(field, body)
        audience.merge_fields[merge_id] = field
        world().save_audience(audience)
    return answer(shapes().merge_field(audience, field), "Lists/MergeFields/Instance")


@routes.get(LIST + "/merge-fields/<int:merge_id>")
def get_merge_field(list_id: str, merge_id: int) -> Response:
    audience = audience_of(list_id)
    return answer(shapes().merge_field(audience, _field(audience, merge_id)), "Lists/MergeFields/Instance")


@routes.patch(LIST + "/merge-fields/<int:merge_id>")
def patch_merge_field(list_id: str, merge_id: int) -> Response:
    audience, body = audience_of(list_id), read_object()
    _check_shape(body)
    with world().change():
        field = _field(audience, merge_id)
        if "options" in body:
            _check_choices(field.type, body["options"])
        tag = str(body.get("tag") or field.tag)
        if tag != field.tag:
            _rename_tag(audience, field, _free_tag(audience, tag))
        _settle_options(field, body)
        world().save_audience(audience)
    return answer(shapes().merge_field(audience, field), "Lists/MergeFields/Instance")


@routes.delete(LIST + "/merge-fields/<int:merge_id>")
def delete_merge_field(list_id: str, merge_id: int) -> Response:
    audience = audience_of(list_id)
    with world().change():
        field = _field(audience, merge_id)
        del audience.merge_fields[merge_id]
        for member in audience.members():
            if field.tag in member.merge_tags:
                member.merge_fields = {
                    tag: value for tag, value in member.merge_fields.items() if tag != field.tag
                }
                world().save_member(audience, member)
        world().save_audience(audience)
    return nothing()


def _check_shape(body: Mapping[str, Any]) -> None:
    """Every part is of the type that the definition gives it, and a name is one."""
    errors = mistyped(body, SHAPE)
    options = body.get("options")
    if isinstance(options, dict):
        errors += mistyped(options, OPTIONS, "options.")
        if isinstance(options.get("choices"), list):
            errors += mistyped_elements("options.choices", options["choices"], str)
    if body.get("name") == "":
        errors.append(("name", BLANK))
    if errors:
        raise not_validated(*errors)


def _check_choices(type_: str, options: Mapping[str, Any]) -> None:
    """What members pick from has to be given; that it is refused in these words is inferred."""
    if type_ in OF_CHOICES and not options.get("choices"):
        raise not_validated(("options", "Required fields were not provided: choices"))


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
        if field.tag in member.merge_tags:
            member.merge_fields = {
                tag if one == field.tag else one: value for one, value in member.merge_fields.items()
            }
            world().save_member(audience, member)
    field.tag = tag


def _settle_options(field: MergeField, body: Mapping[str, Any]) -> None:
    for key, attribute in FIELD_KEYS.items():
        if key in body:
            setattr(field, attribute, body[key])
