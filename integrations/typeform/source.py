"""Typeform: signed form responses. https://www.typeform.com/developers/webhooks/ (from public documentation as collected 2026-11)."""

from datetime import datetime
from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    BackfillPage,
    Client,
    Event,
    Health,
    Ignored,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.signing import Check, HmacScheme, Prefixed
from integrations.kit.strict_json import load_object
from integrations.kit.times import find_time
from integrations.kit.values import identifier, object_at, short_name
from integrations.typeform.questions import ask_health, fetch_page, list_bad_form_ids, list_form_ids
from integrations.typeform.responses import read_response

_SIGNATURE = HmacScheme(
    secret="secret",  # noqa: S106 -- the name of a setting
    header="typeform-signature",
    layout=Prefixed("sha256="),
    encoding="base64",
)
_HINT = "Typeform sends one object with event_type and form_response; check which program posts here."
_UNFINISHED = "only finished responses make contacts"


class Typeform(BaseSource):
    """One response in one delivery, whole; known by its token, which the Responses API uses too."""

    name = "typeform"
    label = "Typeform"
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    is_thin = True
    can_backfill = True
    api_host = "api.typeform.com"
    calls_per_minute = 96  # 2 a second
    api_hosts = frozenset({"api.eu.typeform.com"})
    api_host_setting = "api_host"
    api_base_setting = "api_base_url"
    settings = (
        Setting(
            "secret",
            "Webhook secret",
            "Typed into the webhook's settings at Typeform; it signs every delivery.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "access_token",
            "Personal token",
            "Reads responses again and asks whether the webhook is on. Without it neither is done.",
            is_secret=True,
        ),
        Setting("form_ids", "Forms", "Ids of the forms to read again and to watch, separated by commas."),
        Setting("api_host", "API host", "api.eu.typeform.com for accounts in the EU data centre.", default="api.typeform.com"),
        Setting("api_base_url", "API address", "Only for a stand-in on this machine: http://127.0.0.1:<port>."),
    )  # fmt: skip

    def split(self, request: RawRequest, config: SourceConfig) -> Split:  # noqa: ARG002
        """The response as one event; responses that nobody finished are ignored."""
        body = load_object(request.body, _HINT)
        kind, response = body.get("event_type"), object_at(body, "form_response")
        if kind != "form_response":
            if not isinstance(kind, str):
                raise Unreadable("the JSON has no event_type", _HINT, path="event_type")
            return Split(ignored=(Ignored(short_name(kind), _UNFINISHED),))
        token = identifier(response.get("token"))
        if not token:
            raise Unreadable("the response has no token", _HINT, path="form_response.token")
        occurred_at = find_time(response.get("submitted_at"))
        account = identifier(response.get("form_id"))
        return Split((Event(token, kind, read_response(response), occurred_at, account),))

    def backfill(self, config: SourceConfig, since: datetime, cursor: str, client: Client) -> BackfillPage:
        """Responses of the forms named on the source, newest first."""
        return fetch_page(config, since, cursor, client)

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether each form's webhook to this source is there and on."""
        return ask_health(config, client)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """Ids that are none, and an API address nobody may be sent to."""
        problems = list(super().list_config_problems(config))
        problems += [f"Forms: {bad[:40]!r} is no id of a form." for bad in list_bad_form_ids(config)]
        if bool(list_form_ids(config)) != any(config.secrets.get("access_token", ())):
            problems.append("Forms and Personal token belong together; with one alone nothing is read again.")
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append("API address may only be http://127.0.0.1:<port>; leave it empty otherwise.")
        return tuple(problems)


source = Typeform()
