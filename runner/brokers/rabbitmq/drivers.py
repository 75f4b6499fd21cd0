"""What drives a connection: an event loop, on its own thread or on the caller's.

All of a connection's I/O happens there. The connection needn't know which loop it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial

import uvloop

Action = Callable[[], None]
Failed = Callable[[Exception], None]


DROP_DELAY = 0.05
"""Seconds in which pika closes the socket of a half-open connection."""


class OnLoop:
    """The caller runs the loop: for the intake, where one thread then handles a request and its
    confirm, which saves a wake-up and a fight for the interpreter each way.

    Calls functions one after another. What one raises goes to `failed`, and the next ones are
    still called.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, failed: Failed) -> None:
        self.loop = loop
        self._failed = failed
        self._thread = 0
        """The loop's thread, once it is known."""
        self._ended = threading.Event()

    @property
    def alive(self) -> bool:
        """Whether functions are still called."""
        return not self._ended.is_set() and not self.loop.is_closed()

    def start(self, begin: Action) -> None:
        """Call `begin`, then what is asked for."""

        def first() -> None:
            self._thread = threading.get_ident()
            begin()

        self.soon(first)

    def soon(self, function: Action) -> None:
        """Call it there. From any thread."""
        here = threading.get_ident() == self._thread
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing waits any more
            (self.loop.call_soon if here else self.loop.call_soon_threadsafe)(self._guarded, function)

    def later(self, delay: float, function: Action) -> None:
        """Call it there after `delay` seconds. Only from there."""
        self.loop.call_later(delay, partial(self._guarded, function))

    def rest(self, seconds: float) -> None:
        """Do nothing for so long, unless others need this thread. Only from there."""

    def end(self) -> None:
        """Nothing is left to do. Only from there."""
        self._ended.set()

    def drop(self, close: Action) -> None:  # noqa: ARG002 - `OwnThread` closes it
        """Nothing more is to be done, and the connection is half open: pika can't close that in
        good order. The process, which is about to end, can."""
        self.end()

    def join(self, timeout: float) -> None:
        """Return when nothing is left to do, or after `timeout` seconds."""
        self._ended.wait(timeout)

    def _guarded(self, function: Action) -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the loop
            self._failed(error)


class OwnThread(OnLoop):
    """For a worker: its handlers have their own threads, and none runs here."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(uvloop.new_event_loop(), failed)
        self._runner = threading.Thread(target=self._run, name="rabbitmq", daemon=True)

    @property
    def alive(self) -> bool:
        return self._runner.is_alive()

    def start(self, begin: Action) -> None:
        super().start(begin)
        self._runner.start()

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)

    def end(self) -> None:
        self.loop.stop()

    def drop(self, close: Action) -> None:
        """pika asserts that no half-open connection is closed, in callbacks of its own, and
        closes its socket all the same."""
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self._guarded(close)
        self.loop.call_later(DROP_DELAY, self.end)

    def join(self, timeout: float) -> None:
        self._runner.join(timeout)

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.run_until_complete(self._drop_what_is_pending())
        self.loop.close()

    @staticmethod
    async def _drop_what_is_pending() -> None:
        """A connection that was half open leaves what it was doing, such as looking up its host."""
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
