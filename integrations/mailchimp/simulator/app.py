"""Puts the simulator together: the world, the gate before it, the API, the control plane and the page."""

from flask import Flask

from integrations.mailchimp.simulator.api import api
from integrations.mailchimp.simulator.api_audience import furniture
from integrations.mailchimp.simulator.api_tags import labels
from integrations.mailchimp.simulator.config import SimulatorConfig
from integrations.mailchimp.simulator.control import control
from integrations.mailchimp.simulator.gate import install
from integrations.mailchimp.simulator.page import page
from integrations.mailchimp.simulator.world import World

MAX_BODY_BYTES = 32 * 1024 * 1024


def make_app(config: SimulatorConfig | None = None, world: World | None = None) -> Flask:
    """A Flask application around a world (a fresh one from `config` where none is given)."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map.strict_slashes = False
    app.extensions["world"] = world or World(config or SimulatorConfig())
    install(app)
    app.register_blueprint(api)
    app.register_blueprint(furniture)
    app.register_blueprint(labels)
    app.register_blueprint(control)
    app.register_blueprint(page)
    return app
