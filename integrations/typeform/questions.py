"""What Typeform's API is asked: responses it kept, and whether the webhook is still switched on."""

import re
from datetime import UTC, datetime
from typing import Any

from integrations.kit.addresses import is_hook_of
from integrations.kit.contract import BackfillPage, Client, EnrichError, Health, SourceConfig
from integrations.kit.strict_json import dump_json
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import identifier, object_at, objects_in, text_of

PAGE_SIZE = 100
_FORM_ID = re.compile(r"[A-Za-z0-9]{1,40}")
_COPIED = ("landed_at", "submitted_at", "hidden", "calculated", "variables")
_HINT = (
    "Account, Personal tokens; tick Forms: read, Responses: read and Webhooks: read. Set it as access_token."
)


def list_form_ids(config: SourceConfig) -> tuple[str, ...]:
    """The forms that are read again and watched, as set on the source."""
    return tuple(piece.strip() for piece in config.settings.get("form_ids", "").split(",") if piece.strip())


def list_bad_form_ids(config: SourceConfig) -> tuple[str, ...]:
    """Those that cannot be the id of a form."""
    return tuple(each for each in list_form_ids(config) if not _FORM_ID.fullmatch(each))


def fetch_page(config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
    """One page of one form's responses. The cursor is `<number of the form>:<token of the last response>`."""
    if not list_form_ids(config) or not any(config.secrets.get("access_token", ())):
        return BackfillPage()  # reading again is not set up; what comes by webhook needs neither
    forms = _checked_forms(config)
    number, _, before = cursor.partition(":")
    at = int(number) if number.isdecimal() else 0
    if at >= len(forms):
        return BackfillPage()
    query = {"since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "page_size": str(PAGE_SIZE)}
    asked = query | ({"before": before} if before else {})
    try:
        answer = _ask(config, client, f"/forms/{forms[at]}/responses", asked)
    except EnrichError as error:
        if error.outcome != "gone":
            raise
        answer = {}  # the form was deleted; the others still have responses
    items = objects_in(object_at(answer).get("items"))
    last = identifier(items[-1].get("token")) if items else ""
    if not last:
        return BackfillPage(cursor=f"{at + 1}:" if at + 1 < len(forms) else "")
    definition = object_at(_ask(config, client, f"/forms/{forms[at]}", {}))
    return BackfillPage(tuple(_body(forms[at], item, definition) for item in items), f"{at}:{last}")


def ask_health(config: SourceConfig, client: Client) -> Health:
    """Alive when every form has a webhook to this source that is switched on: after a 404 or 410 Typeform switches it off."""
    if not list_form_ids(config) or not any(config.secrets.get("access_token", ())):
        return Health("unknown", "without forms and an access token Typeform cannot be asked", _HINT)
    for form_id in _checked_forms(config):
        answer = _ask(config, client, f"/forms/{form_id}/webhooks", {})
        listed = objects_in(object_at(answer).get("items"))
        ours = [each for each in listed if is_hook_of(each.get("url"), config.slug)]
        if not ours:
            return Health(
                "dead", f"form {form_id} has no webhook to this source", "Add it: Connect, Webhooks."
            )
        if not any(each.get("enabled") is True for each in ours):
            hint = "Connect, Webhooks: switch it on again, then back-fill what was missed."
            return Health("dead", f"the webhook of form {form_id} is switched off", hint)
    return Health("alive")


def _checked_forms(config: SourceConfig) -> tuple[str, ...]:
    if list_bad_form_ids(config):
        hint = "The id is in the form's address: https://<you>.typeform.com/to/<id>."
        raise EnrichError("invalid", "what the source names is no id of a form", hint)
    return list_form_ids(config)


def _ask(config: SourceConfig, client: Client, path: str, query: dict[str, str]) -> Any:
    tokens = config.secrets.get("access_token", ())
    return ask_with_each(
        tokens,
        "the source has no access token, so Typeform cannot be asked",
        _HINT,
        lambda token: client.get_json(path, query, {"Authorization": f"Bearer {token}"}),
    )


def _body(form_id: str, item: dict[str, Any], definition: dict[str, Any]) -> bytes:
    """A response as the webhook would have brought it."""
    response = {"form_id": form_id, "token": item.get("token")}
    response |= {name: item[name] for name in _COPIED if item.get(name) is not None}
    kept = {
        "id": form_id,
        "title": text_of(definition.get("title")),
        "fields": definition.get("fields") or [],
    }
    answers = {"definition": kept, "answers": item.get("answers") or []}
    event = {
        "event_id": item.get("token"),
        "event_type": "form_response",
        "form_response": response | answers,
    }
    return dump_json(event)
