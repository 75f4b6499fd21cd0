"""Fixtures of the embedded broker's own tests: a file whose bookkeeping has to be right."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from runner.brokers.embedded import service
from runner.brokers.embedded.books import PLACES
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.brokers.embedded.inbox import Question
from runner.brokers.embedded.presence import Presence
from runner.brokers.embedded.store import Store
from tests.brokers.holder import Holder
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import topology

Hold = Callable[..., Holder]
Opener = Callable[..., EmbeddedBroker]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def place(path: Path) -> Iterator[EmbeddedPlace]:
    """A fresh file, whose own book-keeping has to be right at the end of every test."""
    yield EmbeddedPlace(path)
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as database:
        assert counted(database) == recorded(database)


def recorded(database: sqlite3.Connection) -> list[tuple[int, ...]]:
    return database.execute("SELECT tail - head, returned, held, delayed FROM queue ORDER BY number").fetchall()


def counted(database: sqlite3.Connection) -> list[tuple[int, ...]]:
    return database.execute(
        f"""SELECT
          (SELECT count(*) FROM message WHERE place >> {PLACES} = number AND place >= head),
          (SELECT count(*) FROM message JOIN taken USING (place) WHERE place >> {PLACES} = number AND owner IS NULL),
          (SELECT count(*) FROM message JOIN taken USING (place) WHERE place >> {PLACES} = number AND owner NOTNULL),
          (SELECT count(*) FROM delayed WHERE delayed.queue = queue.number)
        FROM queue ORDER BY number"""
    ).fetchall()


@pytest.fixture
def one_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look around but the first: whatever comes in time was announced."""
    monkeypatch.setattr(service, "TICK", 3600.0)


@pytest.fixture
def open_store(path: Path) -> Iterator[Callable[[], Store]]:
    """The file, for one owner more each time, with the queues of `topology`; in no transaction."""
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(Store(path, Presence(path.with_name(f"{path.name}.run")), f"owner {len(opened)}"))
        with transaction(opened[-1]) as store:
            store.declare(topology())
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@contextmanager
def transaction(store: Store) -> Iterator[Store]:
    store.begin(durable=False)
    try:
        yield store
        store.commit()
    except BaseException:
        store.rollback()
        raise


def put(store: Store, queue: str, *bodies: bytes) -> list[int]:
    """Put messages on a queue, and return their places."""
    with transaction(store):
        places = [store.queues[queue].add(len(body)) for body in bodies]
        store.messages.insert([(place, f"m{place}", None, body) for place, body in zip(places, bodies, strict=True)])
    return places


def void(_: object) -> None:
    """Forget a value."""


def ask(broker: EmbeddedBroker, question: Callable[..., object]) -> None:
    """Do something with the store, on the broker's own thread."""
    request = Question(lambda store: void(question(store)))
    assert broker._service is not None
    broker._service.inbox.questions.append(request)
    broker._service.inbox.wake()
    assert request.answer.wait(30)
