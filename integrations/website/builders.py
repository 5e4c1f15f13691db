"""What form builders for WordPress post, made as plain as a form of one's own: names to values, without their bookkeeping.

Elementor Pro's webhook (https://elementor.com/help/form-webhooks/) with "Advanced Data" on and off, and Contact Form 7, by
itself and through "CF7 to Webhook" (https://wordpress.org/plugins/cf7-to-zapier/), seen 2026-11-22.
"""

from collections.abc import Mapping
from typing import Any

from integrations.kit.answers import Answers
from integrations.kit.values import filled, object_at, text_of

# Proofs for others, new with every click, and Contact Form 7's own: no answers of the visitor's.
_TOKENS = frozenset(
    {"g-recaptcha-response", "h-captcha-response", "cf-turnstile-response", "_wpnonce", "_wp_http_referer"}
)
_OWN_PREFIX = "_wpcf7"
# Who asked from where is nobody's business here, unless an admin maps it from the stored delivery.
_UNASKED = frozenset({"Remote IP", "User Agent", "Powered by", "remote_ip", "user_agent", "credit"})
_KINDS = {"email": "email", "tel": "phone"}


def plain(content: dict[str, Any]) -> dict[str, Any]:
    """The content as it goes to the mapping and counts for repeats; whatever is no builder's shape stays as it is."""
    kept = {name: value for name, value in content.items() if not _is_bookkeeping(name)}
    if _is_advanced(kept):
        return _advanced(kept)
    return _flat(kept) if {"form_id", "form_name"} <= kept.keys() else kept


def _is_bookkeeping(name: str) -> bool:
    return name in _TOKENS or name.startswith(_OWN_PREFIX)


def _is_advanced(content: Mapping[str, Any]) -> bool:
    fields = content.get("fields")
    is_whole = isinstance(fields, dict) and bool(fields) and isinstance(content.get("form"), dict)
    return is_whole and all(isinstance(each, dict) for each in object_at(fields).values())


def _advanced(content: dict[str, Any]) -> dict[str, Any]:
    """Elementor with "Advanced Data": each field under its id, and under its title in `answers`."""
    answers, flat = Answers(), {}
    for field_id, each in object_at(content, "fields").items():
        value = each.get("value", each.get("raw_value", ""))
        flat[field_id] = value
        answers.add(text_of(each.get("title")) or field_id, value, _KINDS.get(text_of(each.get("type")), ""))
    form = object_at(content, "form")
    kept = {name: value for name, value in content.items() if name != "meta"}
    made = {
        "form_id": text_of(form.get("id")),
        "form_name": text_of(form.get("name")),
        "_page": text_of(object_at(content, "meta", "page_url").get("value")).partition("?")[0],
        "answers": answers.fields,
        "found": answers.found,
    }
    return {**{name: value for name, value in flat.items() if name not in kept}, **kept, **filled(made)}


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    """Elementor without it: labels are the names, in the site's language; `answers` has them as short names."""
    answers = Answers()
    kept = {name: value for name, value in content.items() if name not in _UNASKED}
    for name, value in kept.items():
        if name not in ("form_id", "form_name"):
            answers.add(name, value)
    page = text_of(kept.get("Page URL")).partition("?")[0]
    return {**kept, **filled({"_page": page, "answers": answers.fields, "found": answers.found})}
