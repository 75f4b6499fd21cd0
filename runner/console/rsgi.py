"""A request by RSGI: health and the live stream are answered on the event loop, all else by Flask in a thread.

A stream by WSGI would hold a thread for as long as somebody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from granian.rsgi import ProtocolClosed
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from runner.console.access import Access
from runner.console.app import HEADERS, create_app
from runner.console.figures import figures_of
from runner.console.guard import Header, cookie_name, person_of, refuse_foreign
from runner.console.history import EVERY, History
from runner.console.live import MOST, Live
from runner.console.run import Run
from runner.intake.health import HealthViews
from runner.intake.problems import internal_error, problem
from runner.intake.wsgi import environ_of, respond

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from granian.rsgi import HTTPProtocol, Scope

log = logging.getLogger("runner.console")

THREADS = 8
"""Pages that may be made at the same time; others wait."""
PROBE_THREADS = 4
"""Questions for health that may be answered at the same time, even while all pages wait for the broker."""
STREAM = "/live"
LARGEST_BODY = 1 << 20
"""Bytes of a form."""
BODY_TIMEOUT = 30.0
"""Seconds that it may take to come: until then, it takes one of the console's connections."""


class Application:
    """The console of `run`."""

    def __init__(self, run: Run, health: HealthViews) -> None:
        self._health = health.views
        self._history = History()
        look = partial(figures_of, run, self._history)
        self._run, self._live = run, Live(look)
        self._access = Access(run.console, production=run.pipeline.production)
        self._flask = create_app(run, look, self._access)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
        self._probes = ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe")
        self.serving = threading.Event()
        """Set when requests are taken."""
        self._loop: asyncio.AbstractEventLoop
        self._over = asyncio.Event()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        loop.call_soon(self.serving.set)
        self._tasks = [loop.create_task(self._live.keep_looking()), loop.create_task(self._remember())]

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        with contextlib.suppress(ProtocolClosed):  # nobody wants the answer any more
            try:
                if scope.path == STREAM and self._may_look(scope):
                    is_known = partial(self._is_known, scope, uses=False)
                    await self._live.stream(protocol, list(HEADERS.items()), is_known)
                else:
                    respond(protocol, await self._answer(scope, protocol))
            except ProtocolClosed:
                raise
            except Exception as error:  # noqa: BLE001 - as Flask's error handlers do
                respond(protocol, internal_error(error, scope.method, scope.path))

    @property
    def looking(self) -> int:
        """Streams that are open."""
        return self._live.looking

    def end(self) -> None:
        """End what is streamed, and serve no more. For other threads."""
        self._loop.call_soon_threadsafe(self._over.set)

    async def ended(self) -> None:
        """Returns when everything that is streamed has been told so."""
        await self._over.wait()
        await self._live.end()

    async def _remember(self) -> None:
        """Keep the last hour."""
        while True:
            glance = await self._loop.run_in_executor(self._probes, self._run.look)
            if not glance.trouble:
                self._history.add(glance.depths, self._run.snapshot())
            await asyncio.sleep(EVERY)

    def _may_look(self, scope: Scope) -> bool:
        """Whether a stream begins. If not, Flask says why: no page is there."""
        header: Header = scope.headers.get
        if scope.method != "GET" or self._live.full:
            return False
        with contextlib.suppress(HTTPException):
            refuse_foreign(header, "GET", self._access)
            return self._is_known(scope, uses=True)
        return False

    def _is_known(self, scope: Scope, *, uses: bool) -> bool:
        header: Header = scope.headers.get
        return person_of(header, cookie_name(self._run.console), self._access, uses=uses) is not None

    async def _answer(self, scope: Scope, protocol: HTTPProtocol) -> Response:
        if scope.path == STREAM and self._live.full:
            return problem(503, f"{MOST} browsers look already", headers={"Retry-After": "10"})
        view = self._health.get(scope.path) if scope.method in ("GET", "HEAD") else None
        if view is not None:
            return await self._loop.run_in_executor(self._probes, view)
        try:
            body = await asyncio.wait_for(_body(protocol), BODY_TIMEOUT)
        except TimeoutError:
            return problem(408, f"a form has {BODY_TIMEOUT:g} s to come", headers={"Connection": "close"})
        if body is None:
            return problem(413, f"a form has at most {LARGEST_BODY} bytes")
        return await self._loop.run_in_executor(self._threads, partial(self._flask_answers, environ_of(scope, body)))

    def _flask_answers(self, environ: WSGIEnvironment) -> Response:
        return Response.from_app(self._flask.wsgi_app, environ, buffered=True)


async def _body(protocol: HTTPProtocol) -> bytes | None:
    """None: it is too large."""
    parts, size = [], 0
    async for part in protocol:
        size += len(part)
        if size > LARGEST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)
