"""Declaring, and declaring again when something is gone from the broker but the connection
isn't: a queue that was deleted, a channel that was closed. Only on the I/O thread."""

from __future__ import annotations

from collections.abc import Callable

from runner.brokers.rabbitmq.connection import RobustConnection
from runner.brokers.rabbitmq.declaring import declare
from runner.brokers.rabbitmq.life import Life
from runner.events import Events
from runner.topology import Topology

REPAIR_DELAY = 1.0
"""Seconds between noticing that a queue or a channel is gone and putting it back."""
REFUSED_DELAY = 5.0
"""Seconds between attempts to declare what the broker refused, and a person has to mend."""


class Repairs:
    """Keeps the topology as it should be."""

    def __init__(self, connection: RobustConnection, life: Life, events: Events) -> None:
        self.topology = Topology((), (), ())
        self.declares = True
        """Whether to create anything on the broker, or to take it as it is."""
        self._connection = connection
        self._life = life
        self._events = events
        self._waiting: list[Callable[[], None]] = []
        """Called after the declaration that is under way."""
        self._unroutable = False
        """Whether a queue or a binding that is gone is being put back."""

    def forget(self) -> None:
        """The connection is gone, with everything that was under way."""
        self._waiting.clear()
        self._unroutable = False

    def declare(self, then: Callable[[], None]) -> None:
        """Declare the topology, once for all who ask while it is under way."""
        connection = self._connection.current
        if not self.declares:
            then()
        elif connection is not None:
            self._waiting.append(then)
            if len(self._waiting) == 1:
                declare(connection, self.topology, done=self._on_declared, failed=self._on_failed)

    def mend(self, what: str, then: Callable[[], None]) -> None:
        """Something is gone though the connection is not: declare again a little later, and go on."""
        connection = self._connection.current
        if connection is None:
            return
        self._events.interrupted(self._connection.node, what)

        def repair() -> None:
            if self._connection.current is connection:
                self.declare(then)

        # At once if we are closing: what is in hand can only leave by that channel.
        self._connection.later(0 if self._life.ending else REPAIR_DELAY, repair)

    def unroutable(self) -> None:
        """A message came back."""
        if not self._unroutable:
            self._unroutable = True
            self.mend("a queue or a binding is gone from the broker", self._routable)

    def _routable(self) -> None:
        self._unroutable = False

    def _on_declared(self) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()

    def _on_failed(self, reason: str, final: bool) -> None:
        self._waiting.clear()
        if final:
            self._life.refused(self._connection.node, reason)
        else:
            self._events.interrupted(self._connection.node, reason)
        connection = self._connection.current

        def restart() -> None:
            if connection is not None and self._connection.current is connection and not self._life.ending:
                self._connection.restart("the topology is incomplete")

        self._connection.later(REFUSED_DELAY if final else REPAIR_DELAY, restart)
