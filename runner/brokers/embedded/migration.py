"""No queue in the broker's file has to be made anew: what differs is changed in its place when it is declared.
One that was renamed hands all that it has to the new one, in one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from runner.brokers import exclusive
from runner.brokers.base import Accounted, unaccounted
from runner.brokers.embedded.shelf import started
from runner.brokers.embedded.store import DeclaredDeadError, ReplacedError, Store
from runner.brokers.embedded.url import path_of
from runner.errors import BrokerSetupError
from runner.topology import Topology

LONGEST = 3_600.0
"""Seconds that it may take."""


def migrated(
    urls: Sequence[str],  # noqa: ARG001 - as all below, of the contract
    name: str,  # noqa: ARG001
    topology: Topology,  # noqa: ARG001
    goes_on: Callable[[], bool],  # noqa: ARG001
    accounted: Accounted = unaccounted,  # noqa: ARG001
) -> Mapping[str, int]:
    return {}


def renamed(urls: Sequence[str], name: str, topology: Topology, goes_on: Callable[[], bool]) -> Mapping[str, int]:  # noqa: ARG001 - as above
    """See `registry.Migrations`."""
    if not path_of(urls[0]).exists():
        return {}
    moved: dict[str, int] = {}

    refusals: list[Exception] = []

    def take_over(store: Store) -> None:
        try:
            moved.update(_taken_over(store, topology))
        except (BrokerSetupError, ReplacedError, DeclaredDeadError) as error:  # the broker's thread goes on
            refusals.append(error)

    with alone(urls, name), started(urls, name) as broker:
        broker.ask(take_over, timeout=LONGEST)
    if refusals:
        raise BrokerSetupError(str(refusals[0]))
    return moved


@contextmanager
def alone(urls: Sequence[str], name: str) -> Iterator[Callable[[], None]]:
    """See `registry.Migrations`. The lock can't be lost."""
    path = path_of(urls[0])
    with exclusive.alone(path.with_name(f"{path.name}.moving"), f"'{name}' (process {os.getpid()})"):
        yield lambda: None


@contextmanager
def _transaction(store: Store) -> Iterator[None]:
    try:
        store.begin(durable=True)
        yield
        store.commit()
    except BaseException:
        store.rollback()
        raise


def _taken_over(store: Store, topology: Topology) -> dict[str, int]:
    """How many messages of each queue have come from its former name, its dead letters included."""
    with _transaction(store):
        dead_owners = store.owners.return_claims_of_the_dead()
    for dead in dead_owners:
        dead.remove_files()
    with _transaction(store):
        renamed = [queue for queue in topology.queues if queue.was and queue.was in store.queues]
        if renamed and any(store.owners.others()):
            raise BrokerSetupError("somebody uses the broker's file: stop that, and run 'runner apply --migrate' again")
        store.declare(replace(topology, queues=tuple(renamed)))
        moved = dict.fromkeys((queue.home for queue in renamed), 0)
        for queue in renamed:
            moved[queue.home] += store.take_over(store.queues[queue.name], store.queues[queue.was])
    store.set_right()
    return moved
