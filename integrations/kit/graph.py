"""Meta's Graph API: its error codes, asking with each current token, and whether an app is still subscribed."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from integrations.kit.contract import Client, EnrichError, Health, SourceConfig
from integrations.kit.values import identifier, objects_in

GRAPH_HOST = "graph.facebook.com"
GRAPH_VERSION = "v25.0"

# Graph API error (code, subcode) -> outcome (https://developers.facebook.com/docs/graph-api/guides/error-handling and
# .../graph-api/overview/rate-limiting, seen 2026-11-22). 100 alone is a wrong parameter (a field that a newer version
# dropped) and must erase nothing; with subcode 33 the object is not there or not to be seen.
GRAPH_ERRORS: Mapping[tuple[int, int | None], str] = {
    (190, None): "blocked_credentials",  # token expired (463), revoked (460, 467) or the app removed (458)
    (102, None): "blocked_credentials",  # session key invalid
    (3, None): "blocked_credentials",  # the app may not make this call
    (10, None): "blocked_credentials",  # permission missing or taken back
    **{(code, None): "blocked_credentials" for code in range(200, 300)},  # permission missing
    (100, 33): "gone",
    (1, None): "waiting_enrich",  # unknown error, "try again"
    (2, None): "waiting_enrich",  # service out of order
    (4, None): "waiting_enrich",  # app's rate limit
    (17, None): "waiting_enrich",  # user's rate limit
    (32, None): "waiting_enrich",  # page's rate limit
    (341, None): "waiting_enrich",  # application limit
    (368, None): "waiting_enrich",  # temporarily blocked
    (613, None): "waiting_enrich",  # custom rate limit
    (130429, None): "waiting_enrich",  # WhatsApp's rate limit
    # Limits by business use case: ads, Instagram, leads (80005), Messenger, Pages, WhatsApp.
    **{(code, None): "waiting_enrich" for code in range(80000, 80015)},
}
_VERSION = re.compile(r"v\d{1,3}\.\d{1,2}", re.ASCII)
_OBJECT_ID = re.compile(r"[0-9]{1,32}", re.ASCII)
_NO_TOKEN_HINT = "Make a long-lived token and set it on the source as {name}."  # noqa: S105 -- a sentence


def is_version(text: str) -> bool:
    """Whether it is a version of the Graph API, such as v25.0 (it becomes part of a path)."""
    return bool(_VERSION.fullmatch(text))


def is_object_id(text: str) -> bool:
    """Whether it is an id of the Graph API: digits only, so that it can become part of a path."""
    return bool(_OBJECT_ID.fullmatch(text))


def version_of(config: SourceConfig) -> str:
    """The version of the Graph API that the source asks."""
    return config.settings.get("graph_version") or GRAPH_VERSION


def ask_graph(
    place: str, query: Mapping[str, str], config: SourceConfig, client: Client, token_setting: str
) -> Any:
    """GET /<version>/<place> with each current token until one is accepted, or EnrichError.

    `place` is made of ids and edges, checked by the caller. The token travels in a header, never in the URL.
    """
    version = version_of(config)
    if not is_version(version):
        raise EnrichError("invalid", "the Graph API version is no version", "Write it like v25.0.")
    refusal = EnrichError(
        "blocked_credentials", "the source has no token, so nothing can be fetched",
        _NO_TOKEN_HINT.format(name=token_setting),
    )  # fmt: skip
    for token in config.secrets.get(token_setting, ()):
        try:
            return client.get_json(f"/{version}/{place}", query, {"Authorization": f"Bearer {token}"})
        except EnrichError as error:
            if error.outcome != "blocked_credentials":
                raise
            refusal = error
    raise refusal


def check_subscription(
    object_id: str, wanted: Collection[str], config: SourceConfig, client: Client, token_setting: str
) -> Health:
    """Whether an app is installed on the object (Page, account) and gets one of the wanted fields, or EnrichError.

    Being installed is enough where none is wanted, and where the platform lists apps without their fields (WhatsApp).
    """
    if not is_object_id(object_id) or not any(config.secrets.get(token_setting, ())):
        hint = f"Set the id (digits) and {token_setting} on the source to have it watched."
        return Health("unknown", "without an id and a token nobody can be asked", hint)
    try:
        answer = ask_graph(f"{object_id}/subscribed_apps", {}, config, client, token_setting)
    except EnrichError as error:
        if error.outcome != "gone":
            raise
        return Health(
            "dead", "the id is not there, or the token may not see it", "Check the id and the token."
        )
    return _judge_apps(objects_in(answer.get("data") if isinstance(answer, dict) else None), wanted)


def _judge_apps(apps: list[dict[str, Any]], wanted: Collection[str]) -> Health:
    if not apps:
        return Health(
            "dead", "no app is subscribed there", "Install the app again: POST /<id>/subscribed_apps."
        )
    lists = [fields for app in apps if isinstance(fields := app.get("subscribed_fields"), list)]
    given = {identifier(name) for fields in lists for name in fields}
    if wanted and lists and not given.intersection(wanted):
        names = ", ".join(sorted(wanted))
        return Health(
            "dead", "the app is installed, but gets none of its fields", f"Subscribe it to one of: {names}."
        )
    return Health("alive")
