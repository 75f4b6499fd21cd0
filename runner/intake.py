"""The HTTP intake: a Flask app that checks a body, publishes it, and answers 202 only
when the broker has confirmed it. What serves the app is not known here: the engine does
with Werkzeug's server, `runner run` with granian and a short way for the routes (`rsgi`).

Errors are `application/problem+json` (RFC 9457) and never repeat what was sent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerAwayError, BrokerError, BrokerUnavailableError
from runner.message import Outgoing, new_id
from runner.pipeline import Http, HttpRoute
from runner.privacy.masking import mask
from runner.routing import Router
from runner.topology import plan
from runner.units import format_size
from runner.validation.violations import Violation

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
    app.config["MAX_CONTENT_LENGTH"] = http.max_body
    app.url_map.merge_slashes = False
    app.register_error_handler(Exception, partial(_fault, http))
    for route in http.routes:
        view = RouteView(Desk(route, loaded), broker, http.confirm_timeout)
        app.add_url_rule(route.path, str(route), view, methods=[route.method])
    readiness = Readiness(loaded, broker)
    app.add_url_rule("/health/live", "live", lambda: _json(200, {"status": "live"}))
    app.add_url_rule("/health/ready", "ready", readiness.answer)
    return app


class Refused(Exception):
    """A request that is not taken, with the answer to it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Desk:
    """Where the bodies of one route are checked, and turned into messages."""

    def __init__(self, route: HttpRoute, loaded: LoadedPipeline) -> None:
        self._router = Router(route.publish, plan(loaded.pipeline), loaded.schemas)
        self._logged = 0.0

    @staticmethod
    def check_type(content_type: str, encoding: str) -> None:
        """Raises Refused for what doesn't call itself JSON, or is packed (`encoding`)."""
        if not _is_json(content_type):
            detail = "send the body as JSON, with the header Content-Type: application/json"
            raise Refused(problem(415, detail))
        if encoding not in ("", "identity"):
            raise Refused(problem(415, "send the body as it is, without the header Content-Encoding"))

    def messages(self, payload: bytes) -> Sequence[Outgoing]:
        """What is to be published for a body. Raises Refused."""
        try:
            body = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise Refused(problem(400, f"the body is no JSON: {error}")) from None
        route = self._router.route(body)
        if route is None:
            raise Refused(problem(422, "the body matches none of the routes that this address publishes to"))
        for _, schema in route.schemas:
            if not schema.is_valid(body):
                raise Refused(problem(422, "the body breaks its schema", errors=schema.violations(body)))
        message_id = new_id()
        return [Outgoing(destination, message_id, payload) for destination in route.to]

    def unavailable(self, error: BrokerError) -> Response:
        """The answer where the broker has not taken it."""
        now = time.monotonic()
        if now - self._logged > LOG_EVERY:  # under load, a line for each request would say no more
            self._logged = now
            log.warning("answering 503: %s", error)
        detail = "the message was not taken; send it again later"
        if isinstance(error, BrokerUnavailableError) and not isinstance(error, BrokerAwayError):
            detail = (
                "the broker has not confirmed the message (it may have been stored all the same); send it again later"
            )
        return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER)})


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
        except Refused as refused:
            return refused.response
        except BrokerError as error:
            return self._desk.unavailable(error)
        return Response(accepted(messages), 202, mimetype="application/json")


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
    status: int, detail: str, *, errors: Sequence[Violation] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """An error as RFC 9457 has it; `errors` point into the body (RFC 6901)."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": mask(detail),
    }
    if errors:
        document["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    return _json(status, document, "application/problem+json", headers)


def accepted(messages: Sequence[Outgoing]) -> bytes:
    """The body of a 202."""
    return b'{"id":"%b","status":"accepted"}\n' % messages[0].id.encode()


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


def _fault(http: Http, error: Exception) -> Response:
    """The answer to a request that Flask or Werkzeug refuses, or that we failed at."""
    if isinstance(error, HTTPException):
        return _http_problem(error, http)
    return internal_fault(error, request.method, request.path)


def internal_fault(error: Exception, method: str, path: str) -> Response:
    """The answer to a request that we failed at; the fault goes to the log."""
    log.error("internal fault on %s %s: %s", method, path, mask(repr(error)), exc_info=error)
    return problem(500, "an internal fault; it has been logged")


def too_large(http: Http) -> Response:
    """The answer to a body over the limit."""
    return problem(413, f"the body is larger than {format_size(http.max_body)}")


def _http_problem(error: HTTPException, http: Http) -> Response:
    status = error.code or 500
    allow = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        allow["Allow"] = ", ".join(sorted(error.valid_methods))
    if status == 413:
        return too_large(http)
    words: Mapping[int, Callable[[], str]] = {
        404: lambda: f"nothing is served here; the routes are {', '.join(map(str, http.routes))}",
        405: lambda: f"this address takes {allow.get('Allow', 'other methods')}",
    }
    detail = words[status]() if status in words else str(error.description or "the request can't be read")
    return problem(status, detail, headers=allow)
