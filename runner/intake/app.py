"""The HTTP intake: a Flask app that checks a body, publishes it, and answers 202 only
when the broker has confirmed it. What serves the app is not known here: the engine does
with Werkzeug's server, `runner run` with granian and a short way for the routes (`rsgi`).
"""

from __future__ import annotations

from functools import partial

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerError
from runner.intake import health, problems
from runner.intake.desk import Desk, TurnedAway
from runner.pipeline import Http


def create_app(loaded: LoadedPipeline, broker: Broker) -> Flask:
    """The intake of `loaded` as a WSGI app; `broker` is started already."""
    http = loaded.pipeline.http
    assert http is not None, "the pipeline has no http section"
    app = Flask("runner.intake", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = http.max_body
    app.url_map.merge_slashes = False
    app.register_error_handler(Exception, partial(_error, http))
    for route in http.routes:
        view = RouteView(Desk(route, loaded), broker, http.confirm_timeout)
        app.add_url_rule(route.path, str(route), view, methods=[route.method])
    readiness = health.Readiness(loaded, broker)
    app.add_url_rule("/health/live", "live", health.live)
    app.add_url_rule("/health/ready", "ready", readiness.ready)
    return app


class RouteView:
    """One of Flask's view functions: takes a body and waits for the broker's confirm."""

    def __init__(self, desk: Desk, broker: Broker, confirm_timeout: float) -> None:
        self._desk = desk
        self._broker = broker
        self._timeout = confirm_timeout

    def __call__(self) -> Response:
        try:
            self._desk.check_type(request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", ""))
            payload = request.stream.read()
            request.stream.read(1)  # only what is read beyond the limit makes Werkzeug refuse a chunked body
            messages = self._desk.messages(payload)
            self._broker.publish(messages, timeout=self._timeout)
        except TurnedAway as turned_away:
            return turned_away.response
        except BrokerError as error:
            return self._desk.unavailable(error)
        return Response(problems.accepted(messages), 202, mimetype="application/json")


def _error(http: Http, error: Exception) -> Response:
    """The answer to a request that Flask or Werkzeug refuses, or that we failed at."""
    if isinstance(error, HTTPException):
        return problems.http_error(error, http)
    return problems.internal_error(error, request.method, request.path)
