"""A short description of the calls that Muster makes most, in our words: for machines without the official one.

Written from what the gateway promises to send and needs to be told; the official definition says far more.
"""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
YES_NO: dict[str, Any] = {"type": "boolean"}
STATUSES = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"]
STATUS: dict[str, Any] = {"type": "string", "enum": STATUSES}


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    """An object; `required` names are separated by spaces."""
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return {**found, "required": required.split()} if required else found


def _list(of: dict[str, Any], **limits: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **limits}


PROBLEM = _object("title status detail instance", title=TEXT, status=WHOLE, detail=TEXT, instance=TEXT)
MEMBER = _object(
    "id email_address status merge_fields last_changed list_id tags tags_count",
    id={"type": "string", "pattern": "^[0-9a-f]{32}$"},
    email_address=TEXT,
    status={"type": "string", "enum": [*STATUSES, "archived"]},
    merge_fields={"type": "object"},
    last_changed=TEXT,
    list_id=TEXT,
    vip=YES_NO,
    tags_count=WHOLE,
    tags=_list(_object("id name", id=WHOLE, name=TEXT)),
)
WISHES: dict[str, Any] = {
    "email_address": TEXT,
    "email_type": {"type": "string", "enum": ["html", "text"]},
    "status": STATUS,
    "status_if_new": STATUS,
    "merge_fields": {"type": "object"},
    "interests": {"type": "object", "additionalProperties": YES_NO},
    "marketing_permissions": _list(
        _object("marketing_permission_id enabled", marketing_permission_id=TEXT, enabled=YES_NO)
    ),
    "language": TEXT,
    "vip": YES_NO,
    "ip_opt": TEXT,
    "ip_signup": TEXT,
    "timestamp_opt": TEXT,
    "timestamp_signup": TEXT,
}
BATCH_MEMBER = {
    **_object("email_address", **{name: WISHES[name] for name in WISHES if name != "marketing_permissions"}),
    "anyOf": [{"required": ["status"]}, {"required": ["status_if_new"]}],
}
BATCH_MEMBER["properties"]["tags"] = _list(TEXT)
REFUSED = _object("email_address error error_code", email_address=TEXT, error=TEXT, error_code=TEXT)
BATCH_ANSWER = _object(
    "new_members updated_members errors total_created total_updated error_count",
    new_members=_list(_object("id email_address status", **MEMBER["properties"])),
    updated_members=_list(_object("id email_address status", **MEMBER["properties"])),
    errors=_list(REFUSED),
    total_created=WHOLE,
    total_updated=WHOLE,
    error_count=WHOLE,
)
TAGS_BODY = _object(
    "tags",
    tags=_list(_object("name status", name=TEXT, status={"type": "string", "enum": ["active", "inactive"]})),
    is_syncing=YES_NO,
)
PATH_NAMES = ("list_id", "subscriber_hash")


def _call(
    path: str, answer: dict[str, Any] | None, body: dict[str, Any] | None = None, **query: dict[str, Any]
) -> dict[str, Any]:
    """One operation; None as the answer is a 204."""
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in PATH_NAMES
        if f"{{{name}}}" in path
    ]
    in_query = [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
    fine = {"200": {"description": "done", "content": {"application/json": {"schema": answer}}}}
    wrong = {"description": "refused", "content": {"application/problem+json": {"schema": PROBLEM}}}
    found: dict[str, Any] = {
        "parameters": [*in_path, *in_query],
        "responses": {**(fine if answer else {"204": {"description": "done"}}), "default": wrong},
    }
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


ONE = "/lists/{list_id}/members/{subscriber_hash}"
MANY = "/lists/{list_id}/members"
BATCH = "/lists/{list_id}"
NARROWED: dict[str, Any] = {"fields": _list(TEXT), "exclude_fields": _list(TEXT)}
PAGED: dict[str, Any] = {**NARROWED, "count": {"type": "integer", "maximum": 1000}, "offset": WHOLE}
SMALL: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "What Muster asks of Mailchimp", "version": "1"},
    "servers": [{"url": "/3.0"}],
    "components": {"securitySchemes": {"basicAuth": {"type": "http", "scheme": "basic"}}},
    "security": [{"basicAuth": []}],
    "paths": {
        "/ping": {"get": _call("/ping", _object("health_status", health_status=TEXT))},
        ONE: {
            "get": _call(ONE, MEMBER, **NARROWED),
            "put": _call(
                ONE, MEMBER, _object("email_address status_if_new", **WISHES), skip_merge_validation=YES_NO
            ),
            "patch": _call(ONE, MEMBER, _object(**WISHES), skip_merge_validation=YES_NO),
            "delete": _call(ONE, None),
        },
        f"{ONE}/tags": {"post": _call(f"{ONE}/tags", None, TAGS_BODY)},
        MANY: {
            "get": _call(
                MANY,
                _object("members total_items", members=_list({"type": "object"}), total_items=WHOLE),
                **PAGED,
                status=TEXT,
                since_last_changed=TEXT,
                before_last_changed=TEXT,
                sort_field=TEXT,
                sort_dir={"type": "string", "enum": ["ASC", "DESC"]},
            )
        },
        BATCH: {
            "get": _call(BATCH, _object("id name", id=TEXT, name=TEXT), **NARROWED),
            "post": _call(
                BATCH,
                BATCH_ANSWER,
                _object(
                    "members",
                    members=_list(BATCH_MEMBER, maxItems=500),
                    update_existing=YES_NO,
                    sync_tags=YES_NO,
                ),
                skip_merge_validation=YES_NO,
                skip_duplicate_check=YES_NO,
            ),
        },
    },
}
