"""A connection to the broker that comes back whenever it is lost, on one thread (see `drivers`).

All its I/O happens on that thread, and no handler ever runs there, so a busy or stuck handler
can't starve the heartbeats. Left out: what the connection is used for (declaring, publishing,
consuming).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import explain, is_refusal, tls_fails
from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.amqp.parameters import parameters
from runner.brokers.rabbitmq.drivers import OnLoop, OwnThread
from runner.wording import facts

log = logging.getLogger("runner.broker")

FIRST_BACKOFF = 0.25
LONGEST_BACKOFF = 1.0
"""Seconds. The wait before the nodes are tried again doubles from the one to the other: a node
that is away or starts is back at any moment, and a try every second costs it nothing."""
REFUSED_BACKOFF = 30.0
"""Seconds; the same where the broker refuses us, or TLS fails, which a person has to mend."""
REST = 30e-6
LONGEST_REST = 2e-3
"""Seconds that the thread rests for each delivery that came with others, and at most. It then
handles together what came meanwhile: each turn of the loop begins with cold caches and a fight
for the interpreter, which on a busy machine cost more than the messages."""
COMPANY = 4
"""With fewer deliveries there is no rest: a quiet pipeline waits for nothing."""


class RobustConnection:
    """Connects to the first of `nodes` that answers, and again whenever the connection is lost.

    `name` is shown in RabbitMQ's lists. Raises BrokerSetupError if a certificate that a node's
    URL names can't be used.
    """

    def __init__(self, nodes: Sequence[BrokerNode], name: str) -> None:
        self._nodes = [(node, parameters(node, name)) for node in nodes]
        random.shuffle(self._nodes)  # so that many processes don't all choose the first node
        self._driver: OnLoop
        self._begun = False
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._awake = False
        self._connection: Connection | None = None
        self._tried = 0
        self._backoff = FIRST_BACKOFF
        self._longest = LONGEST_BACKOFF
        self._stopping = False
        self._opened: Callable[[Connection], None]
        self._lost: Callable[[str], None]
        self._refused: Callable[[str], None]

    @property
    def node(self) -> str:
        """The node of this or the last connection; without credentials."""
        return self._nodes[(self._tried - 1) % len(self._nodes)][0].label

    @property
    def current(self) -> Connection | None:
        """The connection, while it is open. Only from the I/O thread."""
        connection = self._connection
        return connection if connection is not None and connection.is_open else None

    @property
    def alive(self) -> bool:
        """Whether calls are still carried out."""
        return self._begun and self._driver.alive

    def start(
        self,
        loop: asyncio.AbstractEventLoop | None,
        *,
        opened: Callable[[Connection], None],
        lost: Callable[[str], None],
        refused: Callable[[str], None],
    ) -> None:
        """Begin to connect, on `loop`, which the caller runs, or on a new thread.

        Calls `opened(connection)` and `lost(reason)` on the I/O thread, `lost` also when a
        connection can't be made; `refused(reason)` when the broker answered and refused (its
        credentials, its virtual host), before the next try.
        """
        self._opened, self._lost, self._refused = opened, lost, refused
        self._driver = OwnThread(self._on_error) if loop is None else OnLoop(loop, self._on_error)
        self._begun = True
        self._driver.start(self._connect)

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run `function(*arguments)` on the I/O thread, soon, in the order of the calls.

        Many calls share one wake-up, a system call that costs more than the calls.
        """
        self._calls.append((function, arguments))
        if not self._awake:
            self._awake = True
            self._driver.soon(self._drain)

    def later(self, delay: float, function: Callable[[], None]) -> None:
        """Run `function` after `delay` seconds. Only from the I/O thread."""
        self._driver.later(delay, function)

    def restart(self, reason: str) -> None:
        """Give up this connection and make a new one. Only from the I/O thread."""
        if self._connection is not None and not (self._connection.is_closing or self._connection.is_closed):
            log.warning("%s; connecting again", reason, extra=facts(reason=reason))
            self._connection.close(320, reason[:200])

    def stop(self, timeout: float) -> None:
        """Hang up, and do nothing more."""
        if not self.alive:
            return
        self.call(self._hang_up)
        self._driver.join(timeout)

    # -- on the I/O thread ----------------------------------------------------------

    def _on_error(self, error: Exception) -> None:
        log.error("error on the broker connection", exc_info=error)
        self.restart(f"internal error: {error!r}")

    def _drain(self) -> None:
        self._awake = False  # before the first call: what is added from here on wakes us again
        calls = self._calls
        while calls:
            function, arguments = calls.popleft()
            try:
                function(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are still due
                self._on_error(error)
        if self._connection is not None:
            came = self._connection.take_count()
            if came >= COMPANY:
                self._driver.rest(min(came * REST, LONGEST_REST))

    def _connect(self) -> None:
        if self._stopping:
            return
        _, found = self._nodes[self._tried % len(self._nodes)]
        self._tried += 1
        self._connection = Connection(
            found,
            self._driver.loop,
            soon=self.call,
            opened=self._on_open,
            failed=self._on_open_error,
            closed=self._on_close,
        )

    def _on_open(self, connection: Connection) -> None:
        if self._stopping:  # it was half open when we hung up, and the loop runs on
            connection.close()
            return
        self._backoff = FIRST_BACKOFF
        self._opened(connection)

    def _on_open_error(self, error: BaseException | str) -> None:
        self._connection = None
        reason = f"{self.node}: {explain(error)}"
        person = is_refusal(error) or tls_fails(error)
        self._longest = REFUSED_BACKOFF if person else LONGEST_BACKOFF
        if is_refusal(error):
            self._refused(reason)
        self._lost(reason)
        self._again()

    def _on_close(self, error: BaseException) -> None:
        self._connection = None
        self._longest = LONGEST_BACKOFF
        if self._stopping:
            self._driver.end()
            return
        self._lost(f"{self.node}: {explain(error)}")
        self._again()

    def _again(self) -> None:
        """Try the next node at once; after the last one, wait first."""
        if self._stopping:
            self._driver.end()
            return
        if self._tried % len(self._nodes):
            self._driver.later(0, self._connect)
            return
        # Full jitter: a hundred workers of a broker that comes back don't knock together.
        backoff = min(self._backoff, self._longest)
        self._driver.later(backoff * random.uniform(0.5, 1.0), self._connect)
        self._backoff = min(backoff * 2, self._longest)

    def _hang_up(self) -> None:
        self._stopping = True
        connection = self._connection
        if connection is None:
            self._driver.end()
        elif connection.is_open:
            connection.close()
        elif not connection.is_closing:
            self._driver.drop(connection.close)
