"""A queue in the broker's file under an operator's eyes: read page by page, between the broker's
own transactions. Looking takes nothing in hand, and writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from runner.brokers.answer import Answer
from runner.brokers.base import ANSWER_TIMEOUT, Shelved
from runner.brokers.embedded.broker import EmbeddedBroker, connect
from runner.brokers.embedded.inbox import Place, Publication, packed
from runner.brokers.embedded.messages import is_due
from runner.brokers.embedded.reading import headers_of
from runner.brokers.embedded.store import Store
from runner.errors import BrokerError, BrokerUnavailableError, TakenError
from runner.message import ATTEMPT, NO_HEADERS, STRIPPED, Outgoing, number
from runner.topology import Topology

PAGE, PAGE_BYTES = 200, 4 << 20
"""Messages that are in memory at a time, and bytes of their bodies, by which a page may be exceeded once."""
AT_ONCE = 100
"""Messages that are settled together."""
START_TIMEOUT = 5.0
"""Seconds."""


@contextmanager
def opened(urls: Sequence[str], name: str, queue: str) -> Iterator[EmbeddedShelf]:
    """`queue` in the file that the only URL names. Raises BrokerError."""
    with started(urls, name) as broker:
        yield EmbeddedShelf(broker, queue)


@contextmanager
def waiting(urls: Sequence[str], name: str, topology: Topology, queue: str) -> Iterator[EmbeddedShelf]:  # noqa: ARG001 - RabbitMQ needs it
    """What lies on the work queue `queue`, also in the hands of a worker. Raises BrokerError."""
    with started(urls, name) as broker:
        yield EmbeddedShelf(broker, queue, counts_deaths=True)


@contextmanager
def delayed(urls: Sequence[str], name: str, topology: Topology, queue: str) -> Iterator[EmbeddedDelayed]:  # noqa: ARG001 - as above
    """What waits until it goes to the work queue `queue` again. Raises BrokerError."""
    with started(urls, name) as broker:
        yield EmbeddedDelayed(broker, queue)


@contextmanager
def started(urls: Sequence[str], name: str) -> Iterator[EmbeddedBroker]:
    """The broker, for whoever only looks. Raises BrokerError."""
    broker = connect(urls, name)
    broker.start(Topology((), (), ()), timeout=START_TIMEOUT, declare=False)
    try:
        yield broker
    finally:
        broker.close()


class EmbeddedShelf:
    """The contract of a shelf over a started broker. What is settled and what is published for it are one transaction,
    also those of many together."""

    at_once = AT_ONCE
    _delayed = False

    def __init__(self, broker: EmbeddedBroker, queue: str, *, counts_deaths: bool = False) -> None:
        """`counts_deaths`: each holder that has died with a message was an attempt of it."""
        self._broker = broker
        self._queue = queue
        self._counts_deaths = counts_deaths

    def look(self) -> Iterator[Shelved]:
        last, end = 0, self._end()
        while page := [shelved for shelved in self._page(last) if shelved.place < end]:
            yield from page
            last = page[-1].place

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:
        [error] = self.settle_all([(shelved, messages)])
        if error is not None and not isinstance(error, TakenError):
            raise error
        return error is None

    def settle_all(self, pairs: Sequence[tuple[Shelved, Sequence[Outgoing]]]) -> Sequence[BrokerError | None]:
        answers, publications = [Answer() for _ in pairs], []
        for (shelved, messages), answer in zip(pairs, answers, strict=True):
            place = Place(self._queue, shelved.place, self._delayed)
            publications.append(Publication(packed(messages), answer.give, place))
        try:
            self._broker.exchange(publications)
            ends = time.monotonic() + ANSWER_TIMEOUT
            return [_ended(answer, ends - time.monotonic()) for answer in answers]
        except BrokerError as error:  # nothing was even begun
            return [error for _ in pairs]
        finally:
            for publication in publications:  # what has not begun by now doesn't happen
                publication.give_up()

    def _end(self) -> int:
        """Behind what lies there now: what comes later may be a replay that has failed again."""
        found: list[int] = []
        self._broker.ask(lambda store: found.append(store.view.end(self._queue)))
        return found[0]

    def _page(self, after: int) -> list[Shelved]:
        found: list[Shelved] = []

        def read(store: Store) -> None:
            for place, deaths, name, text, payload in store.view.page(self._queue, after, PAGE, PAGE_BYTES):
                headers = _headers(text)
                if deaths and self._counts_deaths:
                    headers = {**headers, ATTEMPT: number(headers.get(ATTEMPT)) + number(deaths)}
                found.append(Shelved(name, payload, headers, place))

        self._broker.ask(read)
        return found


class EmbeddedDelayed(EmbeddedShelf):
    """The same for what is delayed: it is in nobody's hand."""

    _delayed = True

    def _end(self) -> int:
        return sys.maxsize

    def _page(self, after: int) -> list[Shelved]:
        found: list[Shelved] = []

        def read(store: Store) -> None:
            now = round(time.time() * 1000)
            for place, due, name, headers, payload in store.view.page_delayed(self._queue, after, PAGE, PAGE_BYTES):
                waits_until = None if is_due(due, now) else due / 1000
                found.append(Shelved(name, payload, _headers(headers), place, waits_until))

        self._broker.ask(read)
        return found


def _ended(answer: Answer, timeout: float) -> BrokerError | None:
    """Why it was not settled, or may not be."""
    try:
        if answer.wait(timeout):
            return None
    except BrokerError as error:
        return error
    return BrokerUnavailableError(f"no answer in {ANSWER_TIMEOUT:g} s; another process may hold up the broker's file")


def _headers(text: str | None) -> Mapping[str, Any]:
    """Only why, if they can't be read: other programs may have written anything."""
    if text is None:
        return NO_HEADERS
    headers, unreadable = headers_of(text)
    return {STRIPPED: unreadable} if unreadable else headers
