"""The web application put together: the only place that knows every room."""

from datetime import timedelta
from typing import Any

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_bootstrap import Bootstrap5
from flask_security import Security, SQLAlchemySessionUserDatastore
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

import app.audiences.models
import app.contacts.models
import app.inbox.models
import app.lists.models
import app.sources.models
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.runtime import Runtime
from app.core.secretbox import SecretBox
from app.web import access, headers, words
from app.web.door import Door
from app.web.hooks import make_hooks_blueprint
from app.web.late_door import LateDoor
from app.web.models import Role, User
from app.web.pages import (
    accounts,
    audience_settings,
    audiences,
    contacts,
    dead_letters,
    deliveries,
    destinations,
    errors,
    mapping,
    messages,
    overview,
    runs,
    source_care,
    sources,
)
from app.web.throttle import Throttle
from app.web.wiring import wire

# SQLAlchemy resolves foreign keys between rooms by name, so that all of them have to be known in a process that writes.
TABLES = (app.audiences.models, app.contacts.models, app.inbox.models, app.lists.models, app.sources.models)
FOREIGN_BLUEPRINTS = frozenset(
    {"hooks"}
)  # platforms call them: no session, no CSRF token, answers of their own
LARGEST_FORM_BYTES = 1024 * 1024
IDLE_LIFETIME = timedelta(minutes=30)
PAGES = (
    accounts,
    overview,
    deliveries,
    contacts,
    messages,
    sources,
    source_care,
    mapping,
    audiences,
    audience_settings,
    destinations,
    runs,
    dead_letters,
)


def create_app(settings: Settings, door: Door | None = None) -> Flask:
    """The console and the hooks. Without a `door` of the process it opens its own when a platform first knocks.

    Nothing connects to a server before the first request.
    """
    runtime = Runtime(settings, pool_size=5)
    app = Flask("app.web")
    app.config.update(_flask_config(settings, runtime.box))
    app.session_interface = ConsoleSessions()
    app.url_map.converters.update(access.CONVERTERS)
    if settings.is_proxied:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    live = wire(app, runtime)
    headers.add_headers(app, is_https=is_https(settings))
    headers.refuse_foreign_forms(app, FOREIGN_BLUEPRINTS)
    _limit_forms(app)
    csrf = CSRFProtect(app)
    Bootstrap5(app)
    app.security = Security(  # type: ignore[attr-defined]
        app, SQLAlchemySessionUserDatastore(live.session, User, Role), register_blueprint=False
    )
    app.extensions[accounts.THROTTLE] = Throttle()
    access.guard(app)
    words.add_words(app)
    errors.add_error_pages(app, FOREIGN_BLUEPRINTS)
    app.context_processor(lambda: {"may": access.may})
    for page in PAGES:
        app.register_blueprint(page.blueprint)
    hooks = make_hooks_blueprint(door or LateDoor(settings))
    csrf.exempt(hooks)
    app.register_blueprint(hooks)
    return app


def is_https(settings: Settings) -> bool:
    """Whether people and platforms reach this Muster by https."""
    return settings.public_url.startswith("https://")


def _flask_config(settings: Settings, box: SecretBox) -> dict[str, Any]:
    secure = is_https(settings)
    return {
        "SECRET_KEY": box.for_flask(),
        "SECRET_KEY_FALLBACKS": box.for_flask_fallbacks(),
        "SESSION_COOKIE_NAME": "__Host-muster" if secure else "muster",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": IDLE_LIFETIME,
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
        "BOOTSTRAP_SERVE_LOCAL": True,
        "SECURITY_PASSWORD_HASH": "argon2",
        "SECURITY_PASSWORD_SCHEMES": ["argon2"],
        "SECURITY_PASSWORD_SALT": box.derive("password salt"),
        "SECURITY_PASSWORD_LENGTH_MIN": 12,
        "SECURITY_REGISTERABLE": False,
        "SECURITY_RECOVERABLE": False,
        "SECURITY_CONFIRMABLE": False,
        "SECURITY_TRACKABLE": True,
        "SECURITY_RETURN_GENERIC_RESPONSES": True,
        "SECURITY_DATETIME_FACTORY": utc_now,
        "SECURITY_EMAIL_VALIDATOR_ARGS": {"check_deliverability": False, "test_environment": True},
        "TEMPLATES_AUTO_RELOAD": False,
    }


class ConsoleSessions(SecureCookieSessionInterface):
    """Signed cookies. A page that refreshes itself does not keep its reader signed in."""

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Renew the cookie for what a person does, not for what a timer does."""
        return super().should_set_cookie(app, session) and "X-Refresh" not in request.headers

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Give hooks and static files no cookie at all."""
        if request.blueprint not in FOREIGN_BLUEPRINTS and request.endpoint not in headers.CACHED_ENDPOINTS:
            super().save_session(app, session, response)


def _limit_forms(app: Flask) -> None:
    @app.before_request
    def _limit() -> None:
        if request.blueprint not in FOREIGN_BLUEPRINTS:
            request.max_content_length = LARGEST_FORM_BYTES
