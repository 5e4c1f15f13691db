"""Whether Calendly still sends: after a day of failures it switches a subscription off, and somebody must make it anew."""

from typing import Any

from integrations.kit.addresses import is_hook_of
from integrations.kit.contract import Client, Health, SourceConfig
from integrations.kit.tokens import ask_with_each
from integrations.kit.values import object_at, objects_in, text_of

_HINT = "Calendly: Integrations, API & webhooks, Personal access tokens. Set it as access_token."
_AGAIN = "Make the subscription again (README, step 3); deliveries of the time between are lost."


def ask_health(config: SourceConfig, client: Client) -> Health:
    """By the subscriptions of the token's organization and of its user."""
    if not any(config.secrets.get("access_token", ())):
        return Health("unknown", "without an access token Calendly cannot be asked", _HINT)
    me = object_at(_ask(config, client, "/users/me", {}), "resource")
    organization, user = text_of(me.get("current_organization")), text_of(me.get("uri"))
    scopes = ({"scope": "organization"}, {"scope": "user", "user": user})
    for scope in scopes:
        query = {"organization": organization, "count": "100", **scope}
        listed = objects_in(
            object_at(_ask(config, client, "/webhook_subscriptions", query)).get("collection")
        )
        ours = [each for each in listed if is_hook_of(each.get("callback_url"), config.slug)]
        if any(each.get("state") == "active" and not each.get("retry_started_at") for each in ours):
            return Health("alive")
        if any(each.get("state") == "active" for each in ours):
            return Health(
                "alive", "Calendly is trying failed deliveries again", "Look at the source's rejections."
            )
        if ours:
            return Health("dead", "Calendly has switched the subscription off", _AGAIN)
    return Health("dead", "Calendly has no subscription to this source", _AGAIN)


def _ask(config: SourceConfig, client: Client, path: str, query: dict[str, str]) -> Any:
    return ask_with_each(
        config.secrets.get("access_token", ()),
        "the source has no access token, so Calendly cannot be asked",
        _HINT,
        lambda token: client.get_json(path, query, {"Authorization": f"Bearer {token}"}),
    )
