"""The HTTP intake: a Flask app that checks a body, publishes it, and answers 202 only when
the broker has confirmed it. Left out: what serves the app. The engine does with Werkzeug's
server, `runner run` with granian and a short way for the routes (`rsgi`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerError
from runner.events import UNWATCHED, Events
from runner.intake import openapi, problems
from runner.intake.desk import Desk
from runner.intake.gate import Admitted
from runner.intake.health import HealthViews, published_to, troubles_of
from runner.intake.problems import ProblemResponse, TurnedAway
from runner.intake.promise import Promise
from runner.intake.register import LOOK_AGAIN, Entry, Register, Replayed, Underway
from runner.intake.status import StatusView
from runner.intake.waiting import Waiters, waiters_of
from runner.message import NO_HEADERS, Outgoing
from runner.pipeline import Http
from runner.wording import facts

if TYPE_CHECKING:
    from runner.ledger.apikeys import KeyRing
    from runner.ledger.ledger import Ledger

T = TypeVar("T")

log = logging.getLogger("runner.intake")


def create_app(
    loaded: LoadedPipeline,
    broker: Broker,
    events: Events = UNWATCHED,
    health: HealthViews | None = None,
    ledger: Ledger | None = None,
    ring: KeyRing | None = None,
) -> Flask:
    """The intake of `loaded` as a WSGI app; `broker` and `ledger` are started already. `health` and
    `ring` are told where others use them as well."""
    http = loaded.pipeline.http
    assert http is not None, "the pipeline has no http section"
    app = Flask("runner.intake", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = http.max_body
    app.url_map.merge_slashes = False
    app.register_error_handler(Exception, partial(_error, http, events))
    ring = ring or key_ring(http, ledger)
    waiters = waiters_of(loaded.pipeline, ledger)
    for route in http.routes:
        view = RouteView(Desk(route, loaded, ledger, ring), broker, http.confirm_timeout, events, waiters)
        app.add_url_rule(route.path, str(route), view, methods=[route.method])
    if ledger is not None:
        stages = {stage.consume: stage.name for stage in loaded.pipeline.stages.values()}
        for status in {route.status for route in http.routes if route.status is not None}:
            told = [route for route in http.routes if route.status == status]
            tell = StatusView(ledger, stages, told, ring)
            app.add_url_rule(status.replace("{id}", "<id>"), f"GET {status}", tell)
    health = health or HealthViews(loaded, broker, published_to(http), troubles_of(ledger))
    app.add_url_rule(openapi.PATH, f"GET {openapi.PATH}", openapi.OpenApiView(loaded))
    for path, answer in health.views.items():
        app.add_url_rule(path, f"GET {path}", answer)
    return app


def key_ring(http: Http, ledger: Ledger | None) -> KeyRing | None:
    """The API keys of those who may post; None if no route asks for one."""
    asked = any(route.auth != "off" for route in http.routes)
    return ledger.key_ring() if ledger is not None and asked else None


class RouteView:
    """One of Flask's view functions: takes a body and waits for the broker's confirm."""

    def __init__(
        self, desk: Desk, broker: Broker, confirm_timeout: float, events: Events, waiters: Waiters | None = None
    ) -> None:
        self._desk = desk
        self._events = events
        self._broker = broker
        self._timeout = confirm_timeout
        self._waiters = waiters if desk.tells else None

    def __call__(self) -> Response:
        began = time.perf_counter()
        admitted = Admitted("", {})
        try:
            admitted = self._admitted()
            self._desk.check_type(request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", ""))
            carried = self._desk.carried(request.headers.get) if self._desk.carries else NO_HEADERS
            payload = request.stream.read()
            request.stream.read(1)  # Werkzeug refuses a chunked body only when it reads beyond the limit
            messages, headers = self._publish(payload, partial(self._desk.messages, payload, headers=carried), admitted)
        except Replayed as replayed:
            self._events.repeated(self._desk.route)
            return self._stored(replayed.id, replayed.answer, replayed.headers | admitted.headers)
        except TurnedAway as turned_away:
            turned_away.problem.headers.extend(admitted.headers)
            return self._refuse(turned_away.problem, began)
        except BrokerError as error:
            problem = problems.unavailable(error)
            problem.headers.extend(admitted.headers)
            return self._refuse(problem, began)
        if (tell := self._events.accepted) is not None:
            tell(self._desk.route, messages, time.perf_counter() - began)
        return self._stored(messages[0].id, problems.accepted(messages), headers | admitted.headers)

    def _stored(self, id: str, answer: bytes, headers: dict[str, str]) -> Response:
        """The 202 of a request whose message is stored; or a 200, where its sender waits for the end, and that
        comes in time."""
        status = 202
        wait = self._waiters.enter(id, request.headers.get("Prefer")) if self._waiters is not None else None
        if wait is not None and self._waiters is not None:
            headers = headers | wait.headers
            try:
                end = wait.end.result(wait.seconds)
                status, answer = (202, answer) if end is None else (200, end)
            except TimeoutError:
                told = facts(id=id, seconds=wait.seconds)
                log.debug("message %s has not reached its end within %d s", id, wait.seconds, extra=told)
            finally:
                self._waiters.leave(wait)
        return Response(answer, status, headers, mimetype="application/json")

    def _admitted(self) -> Admitted:
        gate, register = self._desk.gate, self._desk.register
        if gate is None or register is None:
            return Admitted("", {})
        return _remembered(register, gate.admit(request.headers.get("Authorization"), request.remote_addr or ""))

    def _publish(
        self, body: bytes, under: Callable[[str], Sequence[Outgoing]], admitted: Admitted
    ) -> tuple[Sequence[Outgoing], dict[str, str]]:
        """The messages of a body, published, and the headers of its 202; `under` makes them under an id."""
        signatures, register = self._desk.signatures, self._desk.register
        signed = None if signatures is None else signatures.verified(request.headers, body)
        given = "" if signed is None else signed.message
        if register is None:
            messages = under(given)
            self._broker.publish(messages, timeout=self._timeout)
            return messages, {}
        key = register.key(request.headers.get("Idempotency-Key"), signed)
        try:
            messages = under(given)
        except TurnedAway:
            register.recall(key, body, admitted.caller)
            raise
        entry = _entered(register, partial(register.enter, key, body, messages, admitted.caller))
        if entry.id != messages[0].id:
            messages = under(entry.id)
        try:
            self._broker.publish(messages, timeout=self._timeout)
        except BrokerError as error:
            register.failed(entry, error)
            raise
        register.answered(entry, problems.accepted(messages))
        return messages, register.headers(entry.id)

    def _refuse(self, problem: ProblemResponse, began: float) -> ProblemResponse:
        seconds, sender = time.perf_counter() - began, self._desk.traceparent(request.headers.get)
        self._events.refused(self._desk.route, problem.status_code, problem.reason, seconds, sender)
        return problem


def _remembered(register: Register, promise: Promise[T]) -> T:
    try:
        return promise.result(register.timeout)
    except TimeoutError:
        raise register.silent() from None


def _entered(register: Register, enter: Callable[[], Promise[Entry]]) -> Entry:
    for seconds in LOOK_AGAIN:
        try:
            return _remembered(register, enter())
        except Underway:
            time.sleep(seconds)
    return _remembered(register, enter())


def _error(http: Http, events: Events, error: Exception) -> Response:
    """The answer to a request that Flask or Werkzeug refuses, or on which we failed."""
    if isinstance(error, HTTPException):
        problem = problems.http_error(error, http)
    else:
        problem = problems.internal_error(error, request.method, request.path)
    events.refused(request.endpoint or "", problem.status_code, problem.reason)
    return problem
