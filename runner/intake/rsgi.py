"""The intake on an event loop, as granian serves it: the short way for the routes.

A thread for each request, which sleeps until the confirm comes, costs more than everything
else about the request: two thread switches, and a fight for the interpreter. So a route's
requests wait on the loop, where a confirm wakes many with one call. Everything else (health,
and faulty requests) goes to the Flask app, in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from granian.rsgi import ProtocolClosed
from werkzeug.wrappers import Response

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerError, BrokerUnavailableError
from runner.events import UNWATCHED, Events
from runner.intake.app import create_app, key_ring
from runner.intake.arrivals import Arrivals
from runner.intake.desk import Desk
from runner.intake.gate import Admitted
from runner.intake.health import HealthViews, published_to, troubles_of
from runner.intake.landing import Landing
from runner.intake.problems import ProblemResponse, TurnedAway, accepted, internal_error, unavailable
from runner.intake.promise import Promise
from runner.intake.register import LOOK_AGAIN, Entry, Register, Replayed, Underway
from runner.intake.signatures import Signed
from runner.intake.waiting import waiters_of
from runner.intake.wsgi import environ_of, respond
from runner.message import NO_HEADERS, Outgoing
from runner.wording import facts

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from granian._granian import RSGIHeaders
    from granian.rsgi import HTTPProtocol, Scope

    from runner.ledger.ledger import Ledger

T = TypeVar("T")

log = logging.getLogger("runner.intake")

FLASK_THREADS = 32
"""Requests that Flask may answer at the same time; others wait."""
PROBE_THREADS = 8
"""Requests for readiness that may be answered at the same time, even if Flask has no thread left."""
LOOP_TIMEOUT = 1.0
"""Seconds; a turn of the event loop takes milliseconds."""
BUSY_POLL = 0.01
"""Seconds between checks whether everything is answered, when we stop."""
_STRANGER = Admitted("", {})
_NO_TEXT = "\ufffd"


class Application:
    """The intake of `loaded` by RSGI; `broker` may still be connecting. It is started with the
    loop that this is served on, so that confirms are told there."""

    def __init__(
        self, loaded: LoadedPipeline, broker: Broker, events: Events = UNWATCHED, ledger: Ledger | None = None
    ) -> None:
        assert loaded.pipeline.http is not None, "the pipeline has no http section"
        self._http = loaded.pipeline.http
        ring = key_ring(self._http, ledger)
        self._desks = {(route.method, route.path): Desk(route, loaded, ledger, ring) for route in self._http.routes}
        self._broker = broker
        self._events = events
        self.health = HealthViews(loaded, broker, published_to(self._http), troubles_of(ledger))
        self._waiters = waiters_of(loaded.pipeline, ledger)
        self._flask = create_app(loaded, broker, events, self.health, ledger, ring)
        self._threads = ThreadPoolExecutor(FLASK_THREADS, thread_name_prefix="flask")
        self._probes = ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe")
        self._json = [("content-type", "application/json")]
        self._closes = False
        """Whether each answer is the last on its connection."""
        self.busy = 0
        """Requests that have no answer yet."""
        self._loop: asyncio.AbstractEventLoop
        self._arrivals: Arrivals
        self._landing: Landing

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop's thread, before it runs."""
        self._loop = loop
        self._arrivals = Arrivals(self._http, loop)
        self._landing = Landing(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        for pool in (self._threads, self._probes):
            pool.shutdown(wait=False, cancel_futures=True)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:  # noqa: C901 - one way in, and each way out
        desk = self._desks.get((scope.method, scope.path))
        tell = self._events.accepted
        began = time.perf_counter() if tell is not None else 0.0
        arrived, size = False, 0
        admitted, carried = _STRANGER, NO_HEADERS
        self.busy += 1
        try:
            headers = scope.headers
            if desk is not None:
                if desk.gate is not None and desk.register is not None:
                    asked = desk.gate.admit(_listed(headers, "authorization"), scope.client)
                    admitted = await self._remembered(desk.register, asked)
                desk.check_type(headers.get("content-type", ""), headers.get("content-encoding", ""))
                if desk.carries:
                    carried = desk.carried(partial(_listed, headers))
            body = await self._arrivals.body(headers.get("content-length", ""), protocol)
            arrived, size = True, len(body)
            if desk is None:
                self._respond(protocol, await self._elsewhere(scope, body))
                return
            answer_headers = self._json
            signed = desk.signatures.verified(headers, body) if desk.signatures is not None else None
            if desk.register is None:
                messages = desk.messages(body, "" if signed is None else signed.message, carried)
                await self._publish(messages)
            else:
                key = desk.register.key(_listed(headers, "idempotency-key"), signed)
                under = partial(desk.messages, body, headers=carried)
                messages = await self._publish_once(desk.register, key, body, under, signed, admitted.caller)
                answer_headers = [
                    *self._json,
                    *desk.register.headers(messages[0].id).items(),
                    *admitted.headers.items(),
                ]
            if tell is not None:
                tell(desk.route, messages, time.perf_counter() - began)
            if desk.register is None:
                protocol.response_bytes(202, answer_headers, accepted(messages))
            else:
                await self._respond_stored(scope, protocol, messages[0].id, answer_headers, accepted(messages))
        except Replayed as replayed:
            self._events.repeated(desk.route if desk is not None else "")
            answer_headers = [*self._json, *replayed.headers.items(), *admitted.headers.items()]
            await self._respond_stored(scope, protocol, replayed.id, answer_headers, replayed.answer)
        except TurnedAway as turned_away:
            turned_away.problem.headers.extend(admitted.headers)
            self._refuse(scope, protocol, turned_away.problem, began)
            if not arrived and "expect" not in headers:  # a client that expects a 100 sends no body before it
                await self._arrivals.discard(protocol, turned_away.problem)
        except BrokerError as error:
            problem = unavailable(error)
            problem.headers.extend(admitted.headers)
            self._refuse(scope, protocol, problem, began)
            # It keeps the request's body, and is kept by what a silent broker still has to call.
            error.__traceback__ = None
        except ProtocolClosed:
            log.debug(
                "a client hung up on %s %s", scope.method, scope.path, extra=facts(method=scope.method, path=scope.path)
            )
        except Exception as error:  # noqa: BLE001 - as Flask's error handlers do
            self._refuse(scope, protocol, internal_error(error, scope.method, scope.path), began)
        finally:
            self.busy -= 1
            self._arrivals.held -= size

    def _refuse(self, scope: Scope, protocol: HTTPProtocol, problem: ProblemResponse, began: float) -> None:
        """`began` is 0.0 if that isn't known."""
        seconds = time.perf_counter() - began if began else 0.0
        desk = self._desks.get((scope.method, scope.path))
        route, sender = "", None
        if desk is not None:
            route, sender = desk.route, desk.traceparent(partial(_listed, scope.headers))
        self._events.refused(route, problem.status_code, problem.reason, seconds, sender)
        self._respond(protocol, problem)

    def close_connections(self) -> None:
        """From now on each answer asks its client to connect anew."""
        self._closes = True
        self._json = [*self._json, ("connection", "close")]

    def _respond(self, protocol: HTTPProtocol, response: Response) -> None:
        if self._closes:
            response.headers["Connection"] = "close"
        respond(protocol, response)

    def turns(self, timeout: float = LOOP_TIMEOUT) -> bool:
        """Whether the event loop turns, within `timeout` seconds. For other threads."""
        turned = threading.Event()
        self._loop.call_soon_threadsafe(turned.set)
        return turned.wait(timeout)

    async def stop(self) -> None:
        """Drop what hasn't arrived, and wait for no message's end. Returns when what has arrived is answered."""
        self._arrivals.drop()
        if self._waiters is not None:
            self._waiters.stop()
        while self.busy:
            await asyncio.sleep(BUSY_POLL)

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        """Return when `messages` are durable; raises as `Broker.publish` does."""
        timeout = self._http.confirm_timeout
        confirmed = self._loop.create_future()
        give_up = self._broker.submit(messages, partial(settle, confirmed))

        def too_late() -> None:
            give_up()
            if not confirmed.done():
                confirmed.set_exception(BrokerUnavailableError(f"the broker has not confirmed within {timeout:g} s"))

        timer = self._loop.call_later(timeout, too_late)
        try:
            await confirmed
        finally:
            timer.cancel()

    async def _publish_once(
        self,
        register: Register,
        key: str | None,
        body: bytes,
        under: Callable[[str], Sequence[Outgoing]],
        signed: Signed | None,
        caller: str,
    ) -> Sequence[Outgoing]:
        """Publish a body, and remember it; returns its messages, which `under` makes under an id. Raises
        Replayed, TurnedAway, and as `Broker.publish` does."""
        try:
            messages = under(signed.message if signed is not None else "")
        except TurnedAway:
            if key is not None:
                await self._loop.run_in_executor(self._threads, register.recall, key, body, caller)
            raise
        entry = await self._entered(register, partial(register.enter, key, body, messages, caller))
        if entry.id != messages[0].id:
            messages = under(entry.id)
        try:
            await self._publish(messages)
        except BrokerError as error:
            register.failed(entry, error)
            raise
        register.answered(entry, accepted(messages))
        return messages

    async def _entered(self, register: Register, enter: Callable[[], Promise[Entry]]) -> Entry:
        for seconds in LOOK_AGAIN:
            try:
                return await self._remembered(register, enter())
            except Underway:
                await asyncio.sleep(seconds)
        return await self._remembered(register, enter())

    async def _respond_stored(
        self, scope: Scope, protocol: HTTPProtocol, id: str, headers: list[tuple[str, str]], answer: bytes
    ) -> None:
        """The 202 of a request whose message is stored; or a 200, where its sender waits for the end, and that
        comes in time."""
        status, wait, waiters = 202, None, self._waiters
        if waiters is not None and "prefer" in scope.headers and self._desks[scope.method, scope.path].tells:
            wait = waiters.enter(id, _listed(scope.headers, "prefer"))
        if wait is not None and waiters is not None:
            headers = [*headers, *wait.headers.items()]
            try:
                end = await self._landing.result(wait.end, wait.seconds)
                status, answer = (202, answer) if end is None else (200, end)
            except TimeoutError:
                told = facts(id=id, seconds=wait.seconds)
                log.debug("message %s has not reached its end within %d s", id, wait.seconds, extra=told)
            finally:
                waiters.leave(wait)
        try:
            protocol.response_bytes(status, headers, answer)
        except ProtocolClosed:
            log.debug(
                "a client hung up on %s %s", scope.method, scope.path, extra=facts(method=scope.method, path=scope.path)
            )

    async def _remembered(self, register: Register, promise: Promise[T]) -> T:
        try:
            return await self._landing.result(promise, register.timeout)
        except TimeoutError:
            raise register.silent() from None

    async def _elsewhere(self, scope: Scope, body: bytes) -> Response:
        """The answer where there is no route; to whom asks for health, even if no thread is left."""
        match scope.method, scope.path:
            case "GET", "/health/live":
                return self.health.live()
            case "GET", "/health/ready":
                return await self._loop.run_in_executor(self._probes, self.health.ready)
        return await self._ask_flask(scope, body)

    async def _ask_flask(self, scope: Scope, body: bytes) -> Response:
        environ = environ_of(scope, body)
        return await self._loop.run_in_executor(self._threads, self._flask_answers, environ)

    def _flask_answers(self, environ: WSGIEnvironment) -> Response:
        return Response.from_app(self._flask.wsgi_app, environ, buffered=True)


def _listed(headers: RSGIHeaders, wanted: str) -> str | None:
    """A header as WSGI has it: several are a list. Bytes that are no ASCII are nothing to granian, and no
    header's value here."""
    if wanted not in headers:
        return None
    values = [value for name, value in headers.items() if name == wanted]
    return ", ".join(values) if values else _NO_TEXT


def settle(future: asyncio.Future[None], error: BrokerError | None) -> None:
    """Wake the waiters for a confirm, except those that have given up."""
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
