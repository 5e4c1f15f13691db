"""Puts the simulator together: the world, the gate before it, the API, login, the control plane and the page."""

import copy
from functools import cache

from flask import Flask

from integrations.mailchimp.simulator.api import (
    activity,
    batches,
    interests,
    lists,
    members,
    merge_fields,
    notes,
    segments,
    tags,
    webhooks,
)
from integrations.mailchimp.simulator.batch_worker import BatchWorker
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.control import control
from integrations.mailchimp.simulator.control_acts import acting
from integrations.mailchimp.simulator.gate import install, override_method
from integrations.mailchimp.simulator.oauth import oauth
from integrations.mailchimp.simulator.page import page
from integrations.mailchimp.simulator.world import World

MAX_BODY_BYTES = 32 * 1024 * 1024
ROUTES = (
    activity.routes,
    batches.archives,
    batches.routes,
    interests.routes,
    lists.routes,
    members.routes,
    merge_fields.routes,
    notes.routes,
    segments.routes,
    tags.routes,
    webhooks.routes,
    oauth,
    control,
    acting,
    page,
)


def make_app(config: SimulatorConfig | None = None, world: World | None = None) -> Flask:
    """A Flask application around a world (a fresh one from `config` where none is given)."""
    app = copy.copy(_worldless_app())
    found = world or World(config or SimulatorConfig())
    worker = BatchWorker(found, app)
    app.extensions = {"world": found, "batch_worker": worker}
    app.wsgi_app = override_method(app.wsgi_app)  # type: ignore[method-assign, assignment]
    if any(one.status != "finished" for one in found.batches.values()):
        worker.wake()  # those that a restart interrupted are begun again
    return app


@cache
def _worldless_app() -> Flask:
    """Routes and handlers, which all worlds of a process share: compiling a hundred routes takes a tenth of a second."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's own provider
    install(app)
    for routes in ROUTES:
        app.register_blueprint(routes)
    return app
