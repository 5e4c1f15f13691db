"""What every answer carries, and which requests are not even looked at."""

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# `data:` images are Bootstrap's own arrows and ticks inside its style sheet.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types muster"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
ONE_YEAR_ONLY_HTTPS = "max-age=31536000"
CACHED_ENDPOINTS = frozenset({"static", "bootstrap.static"})


def add_headers(app: Flask, *, is_https: bool) -> None:
    """Put the headers on every answer, errors included. Pages are never stored by browser or proxy."""

    @app.after_request
    def _add(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if is_https:
            response.headers.setdefault("Strict-Transport-Security", ONE_YEAR_ONLY_HTTPS)
        if request.endpoint not in CACHED_ENDPOINTS or response.status_code >= 400:  # noqa: PLR2004 - error pages
            response.headers["Cache-Control"] = "no-store"
        return response


def refuse_foreign_forms(app: Flask, exempt_blueprints: frozenset[str]) -> None:
    """Refuse changes that a page of another site asks for: beside the CSRF token, and needing no state."""

    @app.before_request
    def _check() -> None:
        if request.method in SAFE_METHODS or request.blueprint in exempt_blueprints:
            return
        if not is_same_origin(
            request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin"), request.host
        ):
            abort(403)


def is_same_origin(fetch_site: str | None, origin: str | None, host: str) -> bool:
    """Decide by Sec-Fetch-Site where the browser sends it, else by Origin; requests without either are no browser's."""
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc == host
