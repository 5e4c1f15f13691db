"""Requests signed as the platforms sign them."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import requests


def standard_webhook(secret: str, message_id: str, body: bytes, at: int | None = None) -> dict[str, str]:
    """Headers of Standard Webhooks 1.0.0 for `body`."""
    moment = str(at or int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    mark = base64.b64encode(
        hmac.new(key, f"{message_id}.{moment}.".encode() + body, hashlib.sha256).digest()
    ).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{mark}",
        "content-type": "application/json",
    }


def meta_signature(secret: str, body: bytes) -> dict[str, str]:
    """Headers of a Meta delivery for `body`."""
    mark = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={mark}", "content-type": "application/json"}


def post_person(
    url: str, secret: str, message_id: str, person: dict[str, Any], session: requests.Session | None = None
) -> int:
    """POST `contact.created` for a person; the status."""
    body = json.dumps(
        {"type": "contact.created", "timestamp": "2026-11-21T10:00:00Z", "data": person}
    ).encode()
    sender = session or requests
    return int(
        sender.post(
            url, data=body, headers=standard_webhook(secret, message_id, body), timeout=10
        ).status_code
    )
