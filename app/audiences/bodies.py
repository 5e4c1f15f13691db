"""Members as calls take them, and what is left out where Mailchimp refuses a merge field. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.audiences.operation import Operation
from app.audiences.views import Trouble
from integrations.mailchimp.problems import BAD_MERGE_FIELD


def member_body(operation: Operation, *, is_bulk: bool = False) -> dict[str, Any]:
    """One member as PUT and the batch take it. `status` only where it was decided; in a batch no permissions."""
    body: dict[str, Any] = {"email_address": operation.email, "status_if_new": operation.status_if_new}
    if operation.status:
        body["status"] = operation.status
    if operation.kind != "set_status":
        body["merge_fields"] = dict(operation.merge_fields)
    if operation.interests:
        body["interests"] = dict(operation.interests)
    if operation.permissions and not is_bulk:
        body["marketing_permissions"] = [
            {"marketing_permission_id": one, "enabled": is_given}
            for one, is_given in operation.permissions.items()
        ]
    if operation.is_new and operation.tags:
        body["tags"] = list(operation.tags)
    return body


def without_fields(body: Mapping[str, Any], bad: Iterable[str]) -> dict[str, Any]:
    """The same body without these merge fields; without any where none of them is in it."""
    known = set(bad) & set(body["merge_fields"])
    kept = {tag: value for tag, value in body["merge_fields"].items() if known and tag not in known}
    return {**body, "merge_fields": kept}


def bad_fields_trouble(bad: Sequence[str]) -> Trouble:
    """What the admin is told of merge fields that were left out."""
    named = ", ".join(sorted(set(bad) - {""})) or "some"
    return Trouble(
        BAD_MERGE_FIELD.kind,
        f"Mailchimp refused the merge fields {named}; the rest was sent without them.",
        "Correct the value in the contact, or the field's type in the audience.",
    )
