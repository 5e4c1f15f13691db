"""The application that the door's tests let granian serve: the real door, and Flask with nothing but the hooks."""

import os

from flask import Flask, Response, request

from app.core.config import load_settings
from app.core.log import configure_log
from app.web.door import open_door
from app.web.hooks import make_hooks_blueprint
from app.web.server import Application, keep_to_parent, serve

TARGET = "door_app:application"


def make_flask(door):
    flask = Flask("door_app")
    flask.register_blueprint(make_hooks_blueprint(door))

    @flask.route("/echo", methods=["GET", "POST"])
    def echo():
        return {
            "method": request.method,
            "query": request.query_string.decode(),
            "size": len(request.get_data()),
        }

    @flask.get("/stream")
    def stream():
        return Response((b"x" * 100_000 for _ in range(30)), mimetype="application/octet-stream")

    return flask


def application():
    keep_to_parent()
    settings = load_settings()
    configure_log("json", "web")
    door = open_door(settings)
    return Application(door, make_flask(door).wsgi_app, float(os.environ.get("MUSTER_BODY_SECONDS", "10")))


def wsgi():
    """The same behind any WSGI server."""
    return make_flask(open_door(load_settings())).wsgi_app


if __name__ == "__main__":
    serve(load_settings(), TARGET)
