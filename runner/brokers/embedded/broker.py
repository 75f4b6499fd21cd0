"""`EmbeddedBroker`: the contract over a SQLite file, as any thread may call it.

The broker's own thread does the work (see `service`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.brokers.answer import Answer
from runner.brokers.base import ANSWER_TIMEOUT, Asked, Consumer, Depth, Done, GiveUp
from runner.brokers.embedded.asking import Asking, Listener
from runner.brokers.embedded.callbacks import LoopCallbacks
from runner.brokers.embedded.inbox import Publication, Question, packed
from runner.brokers.embedded.service import Service
from runner.brokers.embedded.store import Store
from runner.brokers.embedded.url import path_of
from runner.brokers.outstanding import Outstanding
from runner.errors import BrokerAwayError, BrokerError, BrokerSetupError, BrokerUnavailableError
from runner.events import UNWATCHED, Events
from runner.message import Delivery, Outgoing
from runner.topology import Topology, dead_letter_queue

if TYPE_CHECKING:
    import asyncio


def connect(urls: Sequence[str], name: str, events: Events = UNWATCHED) -> EmbeddedBroker:
    """The broker at the only URL, not started."""
    return EmbeddedBroker(path_of(urls[0]), name, events)


class EmbeddedBroker:
    """A durable queue in the SQLite file `path`, for the processes of one machine.

    `name` tells people which of several processes this is. Create it after a fork, not before.
    Beside the file there are SQLite's own files, and the folder `<path>.run`.
    `service(path, name, topology, events)` makes the part that does the work.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        events: Events = UNWATCHED,
        *,
        service: Callable[[Path, str, Topology, Events], Service] = Service,
    ) -> None:
        self._path = path
        self._name = name
        self._events = events
        self._make_service = service
        self._outstanding = Outstanding()
        self._service: Service | None = None
        self._callbacks: LoopCallbacks | None = None
        self._listener: Listener | None = None

    @property
    def available(self) -> bool:
        return self._service is not None and self._service.outage.reason is None

    @property
    def unconfirmed(self) -> int:
        return 0 if self._service is None else self._service.inbox.outgoing

    def start(
        self,
        topology: Topology,
        *,
        timeout: float | None = None,
        declare: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not declare:
            if not self._path.exists():
                raise BrokerSetupError(f"{self._path}: not there yet; the first run of the pipeline creates it")
            topology = Topology((), (), ())
        if sys.platform == "win32":
            raise BrokerSetupError("the embedded broker needs Linux or macOS; use RabbitMQ as the broker")
        if loop is not None:  # only for the answers: a commit would block the loop
            self._callbacks = LoopCallbacks(loop)
        service = self._service = self._make_service(self._path, self._name, topology, self._events)
        service.start()
        try:
            if not service.opened.wait(threading.TIMEOUT_MAX if timeout is None else timeout):
                raise BrokerUnavailableError(str(service.outage.reason))
        except BrokerError:
            service.close(timeout=0.0)
            raise

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = ANSWER_TIMEOUT) -> None:
        if not messages:
            return
        answer = Answer()
        give_up = self.submit(messages, answer.give)
        if not answer.wait(timeout):
            give_up()
            raise self._no_answer(timeout)

    def submit(self, messages: Sequence[Outgoing], done: Done) -> GiveUp:
        service = self._reach()
        parcels = packed(messages)
        done = self._outstanding.counted(messages, done)
        if self._callbacks is not None:
            done = partial(self._callbacks.tell, done)
        publication = Publication(parcels, done)
        service.inbox.publications.append(publication)
        service.inbox.wake()
        return publication.give_up

    def exchange(self, publications: Sequence[Publication]) -> None:
        """Publish them in place of what they name, all of them in one transaction or two. Raises BrokerAwayError."""
        inbox = self._reach().inbox
        inbox.publications.extend(publications)
        inbox.wake()

    def consume(self, queue: str, prefetch: int, consumer: Consumer) -> None:
        self._started().consume(queue, prefetch, consumer)

    def cancel(self, queue: str, *, pausing: str = "") -> None:
        self._started().cancel(queue, pausing=pausing)

    def consuming(self, queue: str) -> bool:
        subscription = self._service and self._service.subscriptions.get(queue)
        return bool(subscription and subscription.registered)

    def settle(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        inbox = self._started().inbox
        inbox.settlements.append((delivery, packed(messages) if messages else []))
        inbox.wake()

    def release(self, deliveries: Iterable[Delivery]) -> None:
        inbox = self._started().inbox
        inbox.releases.extend(deliveries)
        inbox.wake()

    def depths(self, queues: Iterable[str], *, timeout: float = ANSWER_TIMEOUT) -> Mapping[str, Depth]:
        counts: dict[str, tuple[int, int, int]] = {}
        consumers: dict[str, int] = {}
        pauses: dict[str, list[str]] = {}

        def look(store: Store) -> None:
            counts.update(store.view.depths())
            consumers.update(store.view.consumer_counts())
            pauses.update(store.view.pauses())

        self.ask(look, timeout=timeout)
        return {
            queue: Depth(
                *counts[queue],
                dead=sum(counts.get(dead_letter_queue(queue), ())),
                consumers=consumers.get(queue, 0),
                paused=len(pauses.get(queue, ())),
                why=next(iter(pauses.get(queue, ())), ""),
            )
            for queue in queues
            if queue in counts
        }

    def ask(self, look: Callable[[Store], None], *, timeout: float = ANSWER_TIMEOUT) -> None:
        """Let `look` read from the file, on the broker's thread. Raises BrokerUnavailableError."""
        service = self._reach()
        question = Question(look)
        service.inbox.questions.append(question)
        service.inbox.wake()
        if not question.answer.wait(timeout):
            raise self._no_answer(timeout)

    def listen(self, asked: Asked) -> None:
        self._listener = Listener(self._path, asked)
        self._listener.start()

    def poll(self, question: bytes, heard: Callable[[bytes], None]) -> Callable[[], None]:
        try:
            asking = Asking(self._path, question, heard)
        except OSError as error:
            raise BrokerUnavailableError(f"{self._path}: nobody can be asked: {error.strerror}") from error
        asking.start()
        return asking.stop

    def close(self, *, timeout: float = ANSWER_TIMEOUT) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._service is not None:
            self._service.close(timeout)

    def _started(self) -> Service:
        if self._service is None:
            raise BrokerAwayError(f"{self._path}: not started")
        return self._service

    def _reach(self) -> Service:
        service = self._started()
        if (outage := service.outage.reason) is not None:
            raise BrokerAwayError(str(outage))
        return service

    def _no_answer(self, timeout: float) -> BrokerUnavailableError:
        return BrokerUnavailableError(f"{self._path}: no answer in {timeout:g} s; another process may hold it up")
