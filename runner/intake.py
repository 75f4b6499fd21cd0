"""The HTTP intake: a Flask app that checks a body, publishes it, and answers 202 only
when the broker has confirmed it. What serves the app is not known here.

Errors are `application/problem+json` (RFC 9457) and never repeat what was sent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.wsgi import get_input_stream

from runner import size
from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.config.model import Http, HttpRoute
from runner.errors import BrokerError, BrokerUnavailableError
from runner.faults import Fault
from runner.masking import mask
from runner.message import Destination, Outgoing, new_id
from runner.routing import Router
from runner.topology import plan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("runner.intake")

RETRY_AFTER = 5
"""Seconds that a client is asked to wait where the broker can't take its message."""
LOG_EVERY = 5.0
"""Seconds between log lines about requests that were turned away."""
READY_CACHE = 0.5
"""Seconds that an answer about readiness holds, so that probes can't load the broker."""


def create_app(loaded: LoadedPipeline, broker: Broker) -> Flask:
    """The intake of `loaded` as a WSGI app; `broker` is started already."""
    http = loaded.pipeline.http
    assert http is not None, "the pipeline has no http section"
    app = Flask("runner.intake", static_folder=None)
    app.register_error_handler(Exception, partial(_fault, http))
    views = {(route.method, route.path): RouteView(route, loaded, broker, http) for route in http.routes}
    for (method, path), view in views.items():
        app.add_url_rule(path, f"{method} {path}", view, methods=[method])
    readiness = Readiness(loaded, broker)
    app.add_url_rule("/health/live", "live", lambda: _json(200, {"status": "live"}))
    app.add_url_rule("/health/ready", "ready", readiness.answer)
    app.wsgi_app = Shortcut(app.wsgi_app, views)  # type: ignore[method-assign] # Flask's documented way
    return app


class Shortcut:
    """Flask's dispatch takes longer than checking and publishing a body, and nothing about
    a route needs it: they are answered before it. All else is Flask's."""

    def __init__(self, flask: WSGIApplication, views: Mapping[tuple[str, str], RouteView]) -> None:
        self._flask = flask
        self._views = views

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        view = self._views.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if view is None:
            return self._flask(environ, start_response)
        return view.answer(environ)(environ, start_response)


class RouteView:
    """Takes the bodies of one route."""

    def __init__(self, route: HttpRoute, loaded: LoadedPipeline, broker: Broker, http: Http) -> None:
        self._router = Router(route.publish, plan(loaded.pipeline), loaded.schemas)
        self._broker = broker
        self._http = http
        self._logged = 0.0

    def __call__(self) -> Response:
        """As one of Flask's view functions."""
        return self._take(request.environ)

    def answer(self, environ: WSGIEnvironment) -> WSGIApplication:
        """Without Flask; every fault is an answer too."""
        try:
            return self._take(environ)
        except Exception as error:  # noqa: BLE001 - as Flask's error handlers do
            return _fault(self._http, error, environ)

    def _take(self, environ: WSGIEnvironment) -> Response:
        if not _is_json(environ.get("CONTENT_TYPE", "")):
            detail = "send the body as JSON, with the header Content-Type: application/json"
            return problem(415, detail)
        payload = get_input_stream(environ, max_content_length=self._http.max_body).read()
        try:
            body = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            return problem(400, f"the body is no JSON: {error}")
        destinations = self._router.destinations(body)
        if not destinations:
            return problem(422, "the body matches none of the routes that this address publishes to")
        if faults := self._faults(destinations, body):
            return problem(422, "the body breaks its schema", errors=faults)
        return self._publish(destinations, payload)

    def _faults(self, destinations: Sequence[Destination], body: Any) -> tuple[Fault, ...]:
        for destination in destinations:
            for _, schema in self._router.schemas(destination):
                if not schema.is_valid(body):
                    return schema.faults(body)
        return ()

    def _publish(self, destinations: Sequence[Destination], payload: bytes) -> Response:
        message_id = new_id()
        messages = [Outgoing(destination, message_id, payload) for destination in destinations]
        try:
            self._broker.publish(messages, timeout=self._http.confirm_timeout)
        except BrokerError as error:
            return self._unavailable(error)
        return Response(b'{"id":"%b","status":"accepted"}\n' % message_id.encode(), 202, mimetype="application/json")

    def _unavailable(self, error: BrokerError) -> Response:
        now = time.monotonic()
        if now - self._logged > LOG_EVERY:  # under load, a line for each request would say no more
            self._logged = now
            log.warning("answering 503: %s", error)
        detail = "the message was not taken; send it again later"
        if isinstance(error, BrokerUnavailableError):
            detail = (
                "the broker has not confirmed the message (it may have been stored all the same); send it again later"
            )
        return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)})


class Readiness:
    """Whether what is posted now would be handled: the broker takes messages, and every
    stage has a worker, on whichever machine, that is registered as its consumer."""

    def __init__(self, loaded: LoadedPipeline, broker: Broker) -> None:
        self._stages = {stage.consume: stage.name for stage in loaded.pipeline.stages.values()}
        self._broker = broker
        self._lock = threading.Lock()
        self._known: tuple[float, list[str]] = (0.0, [])

    def answer(self) -> Response:
        faults = self._faults()
        if not faults:
            return _json(200, {"status": "ready"})
        return problem(503, "; ".join(faults), headers={"Retry-After": str(RETRY_AFTER)})

    def _faults(self) -> list[str]:
        if not self._broker.available:
            return ["the broker is away or takes no messages"]
        with self._lock:
            asked, faults = self._known
            if time.monotonic() - asked > READY_CACHE or not asked:
                faults = self._ask()
                self._known = (time.monotonic(), faults)
            return faults

    def _ask(self) -> list[str]:
        try:
            depths = self._broker.depths(self._stages)
        except BrokerError as error:
            return [f"the broker doesn't answer: {error}"]
        return [
            f"stage {stage} has no consumer on {queue}" if queue in depths else f"there is no queue {queue}"
            for queue, stage in self._stages.items()
            if queue not in depths or not depths[queue].consumers
        ]


# -- Answers ------------------------------------------------------------------------------


def problem(
    status: int, detail: str, *, errors: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """An error as RFC 9457 has it; `errors` point into the body (RFC 6901)."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": mask(detail),
    }
    if errors:
        document["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in errors]
    return _json(status, document, "application/problem+json", headers)


def _json(
    status: int,
    document: Mapping[str, Any],
    mimetype: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(orjson.dumps(document) + b"\n", status, headers, mimetype)


def _is_json(content_type: str) -> bool:
    """`application/json`, or one that is built on it (RFC 6839)."""
    if content_type == "application/json":
        return True
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _fault(http: Http, error: Exception, environ: WSGIEnvironment | None = None) -> Response:
    """The answer to a request that Flask or Werkzeug refuses, or that we failed at."""
    if isinstance(error, HTTPException):
        return _http_problem(error, http)
    environ = environ or request.environ
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    log.error("internal fault on %s %s: %s", method, path, mask(repr(error)), exc_info=error)
    return problem(500, "an internal fault; it has been logged")


def _http_problem(error: HTTPException, http: Http) -> Response:
    status = error.code or 500
    allow = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        allow["Allow"] = ", ".join(sorted(error.valid_methods))
    words: Mapping[int, Callable[[], str]] = {
        404: lambda: f"nothing is served here; the routes are {', '.join(map(str, http.routes))}",
        405: lambda: f"this address takes {allow.get('Allow', 'other methods')}",
        413: lambda: f"the body is larger than {size.format(http.max_body)}",
    }
    detail = words[status]() if status in words else str(error.description or "the request can't be read")
    return problem(status, detail, headers=allow)
