"""The website source: form posts and JSON to an address that only the page's owner knows."""

from datetime import datetime
from typing import ClassVar

from integrations.kit.base import BaseSource
from integrations.kit.contract import (
    DeliveryKey,
    Event,
    RawRequest,
    Reply,
    Setting,
    SourceConfig,
    Split,
    Verdict,
)
from integrations.kit.signing import Check, UrlKey
from integrations.website.answers import answer, find_page_address, preflight
from integrations.website.entries import Traps, fingerprint, read_entries
from integrations.website.origins import find_origin_refusal, list_bad_origins

# A second click, or a browser that sends again, comes within minutes; the same words weeks later are a new wish.
REPEAT_SECONDS = 600


class Website(BaseSource):
    """Form posts (urlencoded, multipart) and JSON, known by the key in the URL."""

    name = "website"
    label = "Website form"
    methods = frozenset({"POST", "OPTIONS"})
    stored_headers = frozenset({"content-type", "origin", "referer"})
    checks: ClassVar[tuple[Check, ...]] = (UrlKey(),)
    settings = (
        Setting(
            "url_key",
            "Key in the form's address",
            "The last part of the hook's URL. Anybody who sees the page's source sees it: it keeps strangers' "
            "robots out, no more. Change it when robots have found it.",
            is_secret=True,
            is_required=True,
            generated="token",
            is_primary=True,
        ),
        Setting(
            "allowed_origins",
            "Pages that may post",
            "Origins such as https://www.college.example, separated by commas. Empty: any page, and programs too.",
        ),
        Setting(
            "thank_you_url",
            "Thank-you page",
            "Where a visitor is sent after the form, https://... Empty: a small page of Muster's own.",
        ),
        Setting(
            "honeypot",
            "Honeypot field",
            "A field people do not see and robots fill in; posts that fill it are left aside.",
            default="website_url",
        ),
        Setting(
            "least_seconds",
            "Least seconds a person needs",
            "Posts that come back sooner after the page was opened are left aside. The page's script counts "
            "(README, embed snippet); where it counts nothing, nobody is turned away. 0: off.",
            default="0",
        ),
        Setting(
            "posts_per_minute",
            "Posts a minute from one address",
            "More from one computer are asked to wait. 0: no limit.",
            default="30",
        ),
    )

    def challenge(self, request: RawRequest, config: SourceConfig) -> Reply | None:
        """The browser's question before a cross-origin post, answered from the allow-list."""
        return preflight(request, config) if request.method == "OPTIONS" else None

    def verify(self, request: RawRequest, config: SourceConfig, now: datetime) -> Verdict:
        """The key in the URL, then the page the form stands on where pages are listed."""
        verdict = super().verify(request, config, now)
        refusal = find_origin_refusal(request, config) if verdict.is_ok else None
        return Verdict(False, refusal) if refusal else verdict

    def delivery_key(self, request: RawRequest, config: SourceConfig) -> DeliveryKey:  # noqa: ARG002
        """The same bytes within ten minutes; for ever where the form carries a nonce."""
        value, has_nonce = fingerprint(request)
        return DeliveryKey(value, None if has_nonce else REPEAT_SECONDS)

    def reply(self, request: RawRequest, config: SourceConfig) -> Reply:
        """JSON for scripts; for browsers the configured thank-you address, else a small page."""
        return answer(request, config)

    def split(self, request: RawRequest, config: SourceConfig) -> Split:
        """One event a form or JSON object; its key holds the ten minutes it fell into, unless it carries a nonce."""
        traps = Traps(
            config.settings.get("honeypot") or "website_url", _find_number(config, "least_seconds") or 0.0
        )
        entries = read_entries(request, traps)
        window = int(request.received_at.timestamp()) // REPEAT_SECONDS if request.received_at else 0
        events = {
            key: Event(key, entry.kind, entry.content)
            for entry in entries.accepted
            for key in [entry.digest if entry.has_nonce else f"{entry.digest}.{window}"]
        }
        return Split(tuple(events.values()), entries.ignored)

    def list_config_problems(self, config: SourceConfig) -> tuple[str, ...]:
        """Origins that are none, and a thank-you address nobody can be sent to."""
        problems = list(super().list_config_problems(config))
        problems += [
            f"Pages that may post: {bad!r} is no origin; write it like https://www.college.example."
            for bad in list_bad_origins(config)
        ]
        if config.settings.get("thank_you_url") and find_page_address(config) is None:
            problems.append("Thank-you page: write a whole address that starts with https:// or http://.")
        for name, label in (
            ("least_seconds", "Least seconds a person needs"),
            ("posts_per_minute", "Posts a minute from one address"),
        ):
            if _find_number(config, name) is None:
                problems.append(f"{label}: write a number, 0 to switch it off.")
        return tuple(problems)


def _find_number(config: SourceConfig, name: str) -> float | None:
    """A setting as a number that is not negative; 0 where it is not set, None where it is none."""
    text = config.settings.get(name, "").strip() or "0"
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


source = Website()
