"""What keeps a connection going: a thread of its own, or the event loop of whoever uses it.

All of a connection's I/O happens there. Which of them it is, the connection needn't know.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

import pika
from pika.adapters.select_connection import IOLoop

from runner.brokers.rabbitmq.wire import LoopWire, ThreadWire, Wire

Action = Callable[[], None]


class Driver(Protocol):
    """Where functions are called one after the other. What one of them raises goes to the
    `failed` that the driver was made with, and the next ones are called all the same."""

    def connect(self, parameters: pika.ConnectionParameters, **callbacks: Callable[..., None]) -> Wire:
        """A connection that works there."""

    @property
    def alive(self) -> bool:
        """Whether functions are still called."""

    def start(self, begin: Action) -> None:
        """Call `begin`, then what is asked for."""

    def soon(self, function: Action) -> None:
        """Call it there. From any thread."""

    def later(self, delay: float, function: Action) -> None:
        """Call it there after `delay` seconds. Only from there."""

    def rest(self, seconds: float) -> None:
        """Do nothing for so long, if nobody else needs this thread. Only from there."""

    def end(self) -> None:
        """Call nothing more. Only from there."""

    def join(self, timeout: float) -> None:
        """Return when nothing more is called, or after `timeout` seconds."""


class OwnThread:
    """For a worker: its handlers have threads of their own, and none of them runs here."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._loop = IOLoop()
        self._ended = False
        self._thread: threading.Thread | None = None

    def connect(self, parameters: pika.ConnectionParameters, **callbacks: Callable[..., None]) -> Wire:
        return ThreadWire(parameters, custom_ioloop=self._loop, **callbacks)

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, begin: Action) -> None:
        self._thread = threading.Thread(target=self._run, args=(begin,), name="rabbitmq", daemon=True)
        self._thread.start()

    def soon(self, function: Action) -> None:
        if not self._ended:  # else the loop is closed
            self._loop.add_callback_threadsafe(function)

    def later(self, delay: float, function: Action) -> None:
        self._loop.call_later(delay, function)

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)

    def end(self) -> None:
        self._ended = True
        self._loop.stop()

    def join(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self, begin: Action) -> None:
        begin()
        while not self._ended:
            try:
                self._loop.start()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
                self._failed(error)
        self._loop.close()


class OnLoop:
    """For the intake: a request and its confirm are dealt with by one thread, which saves a
    wake-up and a fight for the interpreter on each way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, failed: Callable[[Exception], None]) -> None:
        self._loop = loop
        self._failed = failed
        self._thread = 0
        """That of the loop, once it is known."""
        self._ended = threading.Event()

    def connect(self, parameters: pika.ConnectionParameters, **callbacks: Callable[..., None]) -> Wire:
        return LoopWire(parameters, custom_ioloop=self._loop, **callbacks)

    @property
    def alive(self) -> bool:
        return not self._ended.is_set() and not self._loop.is_closed()

    def start(self, begin: Action) -> None:
        def first() -> None:
            self._thread = threading.get_ident()
            begin()

        self.soon(first)

    def soon(self, function: Action) -> None:
        here = threading.get_ident() == self._thread
        with contextlib.suppress(RuntimeError):  # the loop has been closed, and nobody waits any more
            (self._loop.call_soon if here else self._loop.call_soon_threadsafe)(self._guarded, function)

    def later(self, delay: float, function: Action) -> None:
        self._loop.call_later(delay, partial(self._guarded, function))

    def rest(self, seconds: float) -> None:
        """The loop has other things to do."""

    def end(self) -> None:
        self._ended.set()

    def join(self, timeout: float) -> None:
        self._ended.wait(timeout)

    def _guarded(self, function: Action) -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001 - as the thread's loop does
            self._failed(error)
