"""Jotform: form submissions. https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/ (from public documentation as collected 2026-11)."""

import re
from typing import ClassVar

from integrations.jotform.confirm import fetch_submission
from integrations.jotform.submission import read_answers, read_form, read_raw_request
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    Client,
    DeliveryKey,
    Event,
    RawRequest,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.keys import digest_of, digest_of_bytes
from integrations.kit.signing import Check, UrlKey
from integrations.kit.values import filled, identifier, text_of

# The receiver's own address, key included, comes back in every delivery: it is not kept.
_ADDRESS_PART = re.compile(rb'(name="?webhookURL"?[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)[^\r\n]*')
_ADDRESS_FIELD = re.compile(rb"(?<![^&])(webhookURL=)[^&]*")
_FEWEST_KEY_CHARACTERS = 12  # shorter keys are words that may stand in an answer
_HINT = "Jotform sends a form with formID, submissionID and rawRequest; check which program posts here."


class Jotform(BaseSource):
    """One submission in one delivery. An edited submission comes again under its id and is an event of its own."""

    name = "jotform"
    label = "Jotform"
    checks: ClassVar[tuple[Check, ...]] = (UrlKey(),)
    api_host = "api.jotform.com"
    api_hosts = frozenset({"eu-api.jotform.com", "hipaa-api.jotform.com"})
    api_host_setting = "api_host"
    api_base_setting = "api_base_url"
    settings = (
        Setting(
            "url_key",
            "Key in the webhook's address",
            "The last part of the hook's URL: the only proof that Jotform's unsigned webhook has.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "confirm",
            "Confirm each submission at Jotform (yes or no)",
            "yes fetches every submission by its id and believes only the answer; needs api_key.",
            default="no",
        ),
        Setting("api_key", "API key", "Jotform: Settings, API; read access is enough.", is_secret=True),
        Setting("api_host", "API host", "eu-api.jotform.com for data in the EU, hipaa-api.jotform.com for HIPAA.", default="api.jotform.com"),
        Setting("api_base_url", "API address", "Only for a stand-in on this machine: http://127.0.0.1:<port>."),
    )  # fmt: skip

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The submission and its answers: each try has a boundary of its own, so the bytes say nothing."""
        try:
            return DeliveryKey(_event(request, needs_enrich=False).key)
        except Unreadable:
            return DeliveryKey(digest_of_bytes(request.body))

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:
        """The body without the address it was sent to, which has the key in it."""
        body = _ADDRESS_FIELD.sub(rb"\1", _ADDRESS_PART.sub(rb"\1", request.body))
        for key in config.secrets.get("url_key", ()):
            if len(key) >= _FEWEST_KEY_CHARACTERS:
                body = body.replace(key.encode(), b"")
        return body

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """The submission as one event."""
        return Split((_event(request, needs_enrich=_is_confirming(config)),))

    def enrich(self, event: Event, config: SourceConfig, client: Client) -> Event:
        """The answers as Jotform's API has them."""
        return fetch_submission(event, config, client)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """A confirmation that cannot be asked for."""
        problems = list(super().list_config_problems(config))
        if _is_confirming(config) and not any(config.secrets.get("api_key", ())):
            problems.append("API key is not set, but confirm is on; submissions come in and wait.")
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append("API address may only be http://127.0.0.1:<port>; leave it empty otherwise.")
        return tuple(problems)


def _is_confirming(config: SourceConfig) -> bool:
    return config.settings.get("confirm", "no").strip().lower() == "yes"


def _event(request: RawRequest, *, needs_enrich: bool) -> Event:
    form = read_form(request)
    submission_id, form_id = identifier(form.get("submissionID")), identifier(form.get("formID"))
    if not submission_id:
        raise Unreadable("the form has no submissionID", _HINT, path="submissionID")
    answers = read_answers(read_raw_request(form))
    made = {
        "submission_id": submission_id,
        "form_id": form_id,
        "form_title": text_of(form.get("formTitle")),
        **answers,
    }
    key = f"{submission_id}.{digest_of(answers)[:16]}"
    return Event(key, "submission", filled(made), account=form_id, needs_enrich=needs_enrich)


source = Jotform()
