"""The broker's thread: opens the file, does turn after turn, and starts over when that fails.

It sleeps until a caller asks for something, another process rings, or something falls due.
Left out: what a turn does (see `turn`).
"""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.brokers.answer import Answer
from runner.brokers.base import Consumer
from runner.brokers.embedded.destinations import Destinations
from runner.brokers.embedded.file import explain, explained
from runner.brokers.embedded.hand import Hand, Subscription
from runner.brokers.embedded.housekeeping import Housekeeping
from runner.brokers.embedded.inbox import Inbox, Work
from runner.brokers.embedded.outage import Outage
from runner.brokers.embedded.presence import Presence
from runner.brokers.embedded.store import DeclaredDeadError, ReplacedError, Store
from runner.brokers.embedded.turn import Turn
from runner.errors import BrokerError, BrokerSetupError, BrokerUnavailableError
from runner.events import UNWATCHED, Events
from runner.message import Outgoing, Session
from runner.paths import identity
from runner.topology import Topology

log = logging.getLogger("runner.broker")

TICK = 1.0
"""Seconds between checks for what no bell announces: the death of another process, a file that
was removed, free space to give back."""
RETRY = 0.5
"""Seconds until a file that couldn't be opened or written is tried again."""

_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Service:
    """The thread and what it knows.

    Other threads use `inbox`, `outage` and the methods marked for them. Only the thread calls
    `join` and `turn`, or a test that does by hand what the thread does.
    """

    def __init__(self, path: Path, name: str, topology: Topology, events: Events = UNWATCHED) -> None:
        self.inbox = Inbox()
        self.opened = Answer()
        """Answered when the file is open, or with the BrokerSetupError that prevents it."""
        self._path = path
        self._name = name
        self._topology = topology
        self._closing = threading.Event()
        self.outage = Outage(path, events, opened=self.opened, closing=self._closing)
        self._housekeeping = Housekeeping()
        self._events = events
        self._watched = events.published is not None or events.confirmed is not None
        self._presence: Presence | None = None
        self._identity: tuple[int, int] | None = None
        self._session = Session()
        self._hand = Hand()
        self._look = False
        """Whether there may be something to take without a request from here."""
        self._lock = threading.Lock()
        """Guards the three below."""
        self.subscriptions: dict[str, Subscription] = {}
        self._paused: dict[str, str] = {}
        self._unregistered = True
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="embedded-broker", daemon=True)

    # -- called from any thread ---------------------------------------------------------

    def start(self) -> None:
        """Begin; `opened` tells how it went."""
        self._thread.start()

    def consume(self, queue: str, prefetch: int, consumer: Consumer) -> None:
        with self._lock:
            if queue in self.subscriptions:
                raise ValueError(f"{queue} is consumed already")
            self.subscriptions[queue] = Subscription(queue, prefetch, consumer)
            self._paused.pop(queue, None)
            self._unregistered = True
        self.inbox.wake()

    def cancel(self, queue: str, *, pausing: str) -> None:
        with self._lock:
            subscription = self.subscriptions.pop(queue, None)
            self._paused.pop(queue, None)
            if pausing:
                self._paused[queue] = pausing
            self._unregistered = True
        if subscription is not None:
            with subscription.lock:  # what is just being handed over was not stopped in time
                subscription.cancelled = True
            self.inbox.wake()

    def close(self, timeout: float) -> None:
        """Finish what was asked for, for up to `timeout` seconds, and end."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self.inbox.wake()
        if self._thread.is_alive():  # not where a stop has interrupted its start
            self._thread.join(timeout)

    # -- the thread's life --------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    self._live()
                except ReplacedError as error:
                    # Starting over with an empty file would be wrong twice: it would look as if
                    # nothing had been lost, and SQLite, closing the old file in other processes,
                    # would remove the write-ahead log of the new one.
                    self._end_session(BrokerSetupError(str(error)))
                    self._closing.wait()
                except BrokerError as error:
                    if isinstance(error, BrokerSetupError) and not self.opened.given:
                        self._give_up(error)
                        return
                    self._end_session(error)
                except Exception:
                    log.exception("the broker's thread failed; it starts over")
                    self._end_session(BrokerUnavailableError(f"{self._path}: an internal error, see the log"))
                self._closing.wait(RETRY)
        finally:
            self._end_session(BrokerUnavailableError(f"{self._path}: closed"))
            self._hang_bell(None)

    def _live(self) -> None:
        """Open the file and serve until it is lost (raises BrokerError) or we are to end."""
        with explained(self._path):
            if self._identity is not None and self._identity != identity(self._path):
                raise ReplacedError(self._path)
            presence = self._presence
            if presence is None or not presence.intact:
                presence = Presence(self._path.with_name(self._path.name + ".run"))
                self._hang_bell(presence)
            store = Store(self._path, presence, self._name)
            self._identity = store.identity
            try:
                self.join(store)
                self._serve(store)
                self._leave(store)
            except DeclaredDeadError as error:
                raise BrokerUnavailableError(str(error)) from error
            finally:
                store.close()

    def _give_up(self, error: BrokerSetupError) -> None:
        """The file can't be used, and waiting doesn't help: leave nothing beside it."""
        self._closing.set()
        presence, self._presence = self._presence, None
        if presence is not None:
            presence.withdraw()
            presence.remove_folder()
        self.opened.give(error)

    def join(self, store: Store) -> None:
        """Declare the queues, and begin a session with nothing in hand."""
        store.begin(durable=True)
        try:
            store.declare(self._topology)
            store.owners.return_own_claims()
            store.commit()
        except BaseException:
            store.rollback()
            raise
        store.presence.clear_leftovers(store.owners.others())
        self._session, self._hand = Session(), Hand()
        self._destinations = Destinations(self._topology, store)
        self._unregistered = True
        self.outage.set(None)
        if not self.opened.given:
            self.opened.give()

    def _leave(self, store: Store) -> None:
        """Give back what is still in hand, and leave."""
        self._session.open = False
        store.begin(durable=False)
        try:
            store.owners.leave()
            to_wake = store.owners.all_consumers()
            store.commit()
        except BaseException:
            store.rollback()
            raise
        store.presence.ring(to_wake)

    def _hang_bell(self, presence: Presence | None) -> None:
        before, self._presence = self._presence, presence
        self.inbox.hang(presence)
        if before is not None:
            before.withdraw()

    def _end_session(self, error: BrokerError) -> None:
        self._session.open = False
        self.outage.set(error)
        with self._lock:
            for subscription in self.subscriptions.values():
                subscription.registered = False
                subscription.in_hand = 0
        self.inbox.refuse(str(error))

    # -- turn after turn ----------------------------------------------------------------

    def _serve(self, store: Store) -> None:
        """Returns when we are to end and everything that was asked for is done."""
        next_tick = time.monotonic()
        while not self._is_over():
            work = self.inbox.collect()
            tick = time.monotonic() >= next_tick
            if work or tick or self._look or self._unregistered:
                self.turn(store, work, tick=tick)
            self._answer_questions(store)
            if tick:
                if self.outage.reason is None:
                    self._tidy(store, busy=bool(work))
                next_tick = time.monotonic() + TICK
            elif not (work or self._look):
                self._sleep(store, next_tick)

    def _is_over(self) -> bool:
        if not self._closing.is_set():
            return False
        return self.inbox.empty or time.monotonic() > self._deadline

    def turn(self, store: Store, work: Work, *, tick: bool) -> None:
        """One transaction. If it fails, nothing has happened."""
        turn = Turn(store, self._destinations, self._hand, self._session, watched=self._watched)
        self._look = False
        try:
            store.begin(durable=work.durable or self.outage.reason is not None)
            if self.outage.reason is not None:
                store.owners.touch()
            if tick:
                turn.bring_back()
            subscriptions = self._register(store)
            turn.run(work, subscriptions)
            store.commit()
        except Exception as error:
            self._undo(store, turn, work, error)
            if not _will_pass(error):
                raise
            time.sleep(RETRY)
        else:
            self.outage.set(None)
            self._tell(store, turn, subscriptions)

    def _undo(self, store: Store, turn: Turn, work: Work, error: Exception) -> None:
        outage = explain(self._path, error) if isinstance(error, sqlite3.Error) else BrokerUnavailableError(str(error))
        turn.undo()
        self.inbox.put_back(work)
        self._unregistered = True
        self.outage.set(outage)
        store.rollback()
        for publication in work.publications:
            publication.done(BrokerUnavailableError(str(outage)))

    def _register(self, store: Store) -> list[Subscription]:
        with self._lock:
            changed, self._unregistered = self._unregistered, False
            subscriptions = [s for s in self.subscriptions.values() if s.queue in store.queues]
            paused = {queue: why for queue, why in self._paused.items() if queue in store.queues}
        if changed:
            store.owners.consume((subscription.queue for subscription in subscriptions), paused)
        return subscriptions

    def _tell(self, store: Store, turn: Turn, subscriptions: list[Subscription]) -> None:
        """It is committed: tell everyone concerned."""
        for subscription in subscriptions:
            subscription.registered = True
        store.presence.ring(turn.to_wake)
        if turn.stored:
            self._tell_stored(turn.stored)
        for publication, refusal in turn.answers:
            publication.done(refusal)
        for delivery, refusal in turn.refused:
            self._call(delivery.broker_data.consumer.settle_failed, delivery, refusal)
        for subscription, deliveries in turn.taken:
            with subscription.lock:
                if subscription.cancelled:
                    self.inbox.releases.extend(deliveries)
                else:
                    self._call(subscription.consumer.deliver, deliveries)
        for dead in turn.dead_owners:
            dead.remove_files()
        self._look = turn.more

    def _tell_stored(self, messages: Sequence[Outgoing]) -> None:
        """What is published is confirmed by the same commit."""
        for tell in (self._events.published, self._events.confirmed):
            if tell is not None:
                tell(messages)

    @staticmethod
    def _call(function: Callable[..., None], *arguments: object) -> None:
        try:
            function(*arguments)
        except Exception:
            log.exception("a consumer failed; what it was handed stays in its hand")

    def _answer_questions(self, store: Store) -> None:
        """Not before an earlier `cancel` has been carried out, if that is possible."""
        while self.inbox.questions and (self.outage.reason is not None or not self._unregistered):
            question = self.inbox.questions.popleft()
            try:
                question.ask(store)
            except sqlite3.Error as error:
                question.answer.give(BrokerUnavailableError(str(explain(self._path, error))))
            else:
                question.answer.give()

    def _tidy(self, store: Store, *, busy: bool) -> None:
        try:
            self._housekeeping.do(store, busy=busy, interrupted=lambda: not self.inbox.empty)
            if self.outage.is_cramped:
                store.prove_room()
                self.outage.has_room()
        except sqlite3.Error as error:
            if not _will_pass(error):
                raise

    def _sleep(self, store: Store, until: float) -> None:
        due = [store.queues[name].next_due for name in list(self.subscriptions) if name in store.queues]
        next_due = min((moment / 1000 for moment in due if moment is not None), default=math.inf)
        rung = self.inbox.sleep(min(until - time.monotonic(), next_due - time.time()))
        self._look = rung or time.time() >= next_due


def _will_pass(error: Exception) -> bool:
    """Whether the file is as it was, and what is in hand stays so."""
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF in _PASSING
