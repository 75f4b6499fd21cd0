"""The life of the broker's connection: its states, and the changes between them.

        start              opened            channel opened         channel closed
    NEW ─────▶ CONNECTING ───────▶ PREPARING ──────────────▶ READY ───────────────▶ REPAIRING
                ▲   ▲  │ lost          │                      │ ▲   channel opened    │  │
                │   └──┘               │ lost                 │ └─────────────────────┘  │
                │                      │                      │                          │
                └──────────────────────┴──────── lost ────────┼──────────────────────────┤
                                                              │ close                    │ close
                                          lost, hung up       ▼                          │
                              CLOSED ◀──────────────────── CLOSING ◀─────────────────────┘
                                ▲
    NEW, CONNECTING, PREPARING ─┘ close

PREPARING: declares, and opens the publishing channel. REPAIRING: that channel is gone, and
the connection is not. CLOSING: what was settled leaves; the channel may come and go.

Whether the broker takes messages (`connection.blocked`) changes no state: it may say so in
any of them. Left out: what is done in each state (see `recovery`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import Enum, auto

from runner.brokers.answer import Answer
from runner.errors import BrokerSetupError
from runner.events import UNWATCHED, Events


class State(Enum):
    NEW = auto()
    CONNECTING = auto()
    PREPARING = auto()
    READY = auto()
    REPAIRING = auto()
    CLOSING = auto()
    CLOSED = auto()


class Change(Enum):
    START = auto()
    OPENED = auto()
    CHANNEL_OPENED = auto()
    """The publishing channel is there."""
    CHANNEL_CLOSED = auto()
    """The publishing channel is gone."""
    LOST = auto()
    """The connection is gone, or couldn't be made."""
    CLOSE = auto()
    """We were asked to end."""
    HUNG_UP = auto()


TRANSITIONS: Mapping[State, Mapping[Change, State]] = {
    State.NEW: {Change.START: State.CONNECTING, Change.CLOSE: State.CLOSED},
    State.CONNECTING: {
        Change.OPENED: State.PREPARING,
        Change.LOST: State.CONNECTING,
        Change.CLOSE: State.CLOSED,
    },
    State.PREPARING: {
        Change.CHANNEL_OPENED: State.READY,
        Change.LOST: State.CONNECTING,
        Change.CLOSE: State.CLOSED,
    },
    State.READY: {
        Change.CHANNEL_CLOSED: State.REPAIRING,
        Change.LOST: State.CONNECTING,
        Change.CLOSE: State.CLOSING,
    },
    State.REPAIRING: {
        Change.CHANNEL_OPENED: State.READY,
        Change.LOST: State.CONNECTING,
        Change.CLOSE: State.CLOSING,
    },
    State.CLOSING: {
        Change.CHANNEL_OPENED: State.CLOSING,
        Change.CHANNEL_CLOSED: State.CLOSING,
        Change.LOST: State.CLOSED,
        Change.HUNG_UP: State.CLOSED,
    },
    State.CLOSED: {},
}
"""Anything else changes nothing: it is news that comes too late."""


class Life:
    """The state that the connection is in. Read from any thread, without a lock."""

    def __init__(self, events: Events = UNWATCHED) -> None:
        self._events = events
        self.state = State.NEW
        self.blocked = ""
        """Why the broker takes no messages for now; empty: it does."""
        self.trouble = "not connected yet"
        """Why the broker is away, or was last."""
        self.was_ready = False
        """Whether it has been READY before."""
        self.first = Answer()
        """Given when the first start has come to an end: READY, or a BrokerSetupError."""
        self._lock = threading.Lock()
        """Guards a change: `close` comes from a different thread than the rest."""

    @property
    def available(self) -> bool:
        """Whether a publish would reach the broker now."""
        return self.state is State.READY and not self.blocked

    @property
    def connected(self) -> bool:
        """Whether what is in hand can be settled, or will be."""
        return self.state in (State.READY, State.REPAIRING, State.CLOSING)

    @property
    def was_refused(self) -> bool:
        """Whether the first start has come to a bad end."""
        return self.first.given and not self.was_ready

    @property
    def ending(self) -> bool:
        return self.state in (State.CLOSING, State.CLOSED)

    def happened(self, event: Change) -> tuple[State, State]:
        """The states before and after `event`: the same one if it changes nothing."""
        with self._lock:
            before = self.state
            self.state = after = TRANSITIONS[before].get(event, before)
            self.was_ready = self.was_ready or after is State.READY
        return before, after

    def refused(self, node: str, reason: str) -> None:
        """Only a person can fix it. It ends the first start; later it may be fixed while we wait."""
        if self.was_ready:
            self.trouble = reason
            self._events.disconnected(node, reason, mends=False)
        elif not self.first.given:
            self.first.give(BrokerSetupError(reason))
