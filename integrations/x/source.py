"""X (Twitter): the X Activity API, and the deprecated Account Activity API for replays.

Facts from https://docs.x.com/x-api/webhooks/introduction and https://docs.x.com/x-api/activity/introduction (seen 2026-11-22).
"""

import base64
import hashlib
import hmac
import re
from typing import Any, ClassVar

from integrations.kit.addresses import is_hook_of
from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    Client,
    Health,
    Ignored,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
    Unreadable,
)
from integrations.kit.fetch import is_stand_in
from integrations.kit.gather import gather
from integrations.kit.messages import KEEPS_PRIVATE_TEXT, keeps_private_text
from integrations.kit.signing import Check, HmacScheme, Prefixed
from integrations.kit.strict_json import dump_json, load_json
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import object_at, objects_in, short_name
from integrations.x.account_activity import is_account_activity, split_account_activity
from integrations.x.activity import Part, split_activity
from integrations.x.private import blank_secrets, blank_words, has_private_words, has_secrets

_SIGNATURE = HmacScheme(
    secret="consumer_secret",  # noqa: S106 -- the name of a setting
    header="x-twitter-webhooks-signature",
    layout=Prefixed("sha256="),
    encoding="base64",
)
# The token is signed with the key and in the way that bodies are signed. Signing whatever a stranger asks would make
# valid signatures for bodies of their own; nothing of these letters alone is a body.
_CRC_TOKEN = re.compile(r"[A-Za-z0-9+/=_.-]{1,200}", re.ASCII)
_NO_ENVELOPE = "neither envelope of X: no data with an event_type, no *_events"
_HINT = "X sends one object; check which program posts to this address."


class X(BaseSource):
    """Signed, whole (never an e-mail address), repeated on replays; a key per event makes repeats harmless."""

    name = "x"
    label = "X (Twitter)"
    methods = frozenset({"GET", "POST"})
    checks: ClassVar[tuple[Check, ...]] = (_SIGNATURE,)
    api_host = "api.x.com"
    api_base_setting = "api_base_url"
    settings = (
        Setting(
            "consumer_secret",
            "API key secret (consumer secret)",
            "Developer portal, your app, Keys and tokens. It answers X's check and proves every delivery.",
            is_secret=True,
            is_required=True,
            is_primary=True,
        ),
        Setting(
            "bearer_token",
            "Bearer token",
            "App-only token, for asking X whether the webhook is still valid. Without it nobody asks.",
            is_secret=True,
        ),
        Setting(
            "own_user_ids",
            "Numbers of your own accounts",
            "Such as 2244994945, separated by commas. What these accounts do themselves makes no contact.",
        ),
        KEEPS_PRIVATE_TEXT,
        Setting(
            "api_base_url", "X API address", "Only for a stand-in on this machine: http://127.0.0.1:<port>."
        ),
    )

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """The Challenge-Response Check: X's token signed with the consumer secret."""
        if request.method != "GET":
            return None
        token = request.param("crc_token") or ""
        secrets = [secret for secret in config.secrets.get(_SIGNATURE.secret, ()) if secret.strip()]
        if not _CRC_TOKEN.fullmatch(token):
            return Reply(400)
        if not secrets:
            return Reply(403)
        digest = hmac.new(secrets[0].encode(), token.encode(), hashlib.sha256).digest()
        answer = {"response_token": f"sha256={base64.b64encode(digest).decode()}"}
        return Reply(200, dump_json(answer), "application/json")

    def stored_body(self, request: RawRequest, config: SourceConfig) -> bytes:
        """The body, less the keys of chats, and less the words of direct messages unless the source keeps them."""
        drops_words = has_private_words(request.body) and not keeps_private_text(config)
        if not drops_words and not has_secrets(request.body):
            return request.body
        try:
            parsed = load_json(request.body)
        except Unreadable:
            return request.body
        blank_secrets(parsed)
        if drops_words:
            blank_words(parsed)
        return dump_json(parsed)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """One event a happening, by either envelope."""
        return gather(_parts(load_json(request.body), config))

    def health(self, config: SourceConfig, client: Client) -> Health:
        """Whether X still holds a valid webhook for this source; unknown without a bearer token."""
        tokens = config.secrets.get("bearer_token", ())
        if not any(tokens):
            return Health("unknown", "the source has no bearer token", "Set bearer_token on the source.")
        answer = ask_with_each(
            tokens,
            "the source has no bearer token",
            "Set bearer_token on the source.",
            lambda token: client.get_json("/2/webhooks", {}, {"Authorization": f"Bearer {token}"}),
        )
        listed = objects_in(object_at(answer).get("data"))
        hooks = [each for each in listed if is_hook_of(each.get("url"), config.slug)]
        if any(each.get("valid") is True for each in hooks):
            return Health("alive")
        if hooks:
            hint = "Ask X to check it again: PUT /2/webhooks/<id>. Then replay what was missed."
            return Health("dead", "X marked the webhook invalid", hint)
        return Health("dead", "X holds no webhook for this address", "Make it again: POST /2/webhooks.")

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """What keeps events from coming in."""
        problems = list(super().list_config_problems(config))
        if not is_stand_in(config.settings.get("api_base_url", "")):
            problems.append("X API address may only be http://127.0.0.1:<port>; leave it empty otherwise.")
        return tuple(problems)


def _parts(value: Any, config: SourceConfig) -> list[Part]:
    if not isinstance(value, dict):
        raise Unreadable("the JSON is no object", _HINT)
    data = value.get("data")
    envelopes = objects_in(data if isinstance(data, list) else [data])
    if envelopes and any("event_type" in each for each in envelopes):
        return [part for each in envelopes for part in split_activity(each, config)]
    if is_account_activity(value):
        return list(split_account_activity(value, config)) or [
            Ignored("account_activity", "there is no event in it")
        ]
    return [Ignored(short_name(next(iter(value), "")), _NO_ENVELOPE)]


source = X()
