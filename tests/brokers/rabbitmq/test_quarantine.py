"""Messages whose worker died: one at a time, and counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.topology import quarantine_queue
from tests.brokers.plans import MORE, WORK, Collector, to


def test_the_quarantines_of_a_process_take_turns(rabbit: Callable[..., RabbitBroker]) -> None:
    broker, collector = rabbit(), Collector()
    broker.publish([to(quarantine_queue(MORE), id=f"more{number}") for number in range(20)])
    broker.publish([to(quarantine_queue(WORK), id="work")])
    for queue in (WORK, MORE):
        broker.consume(queue, 10, collector)
    seen = []
    for _ in range(3):
        delivery = collector.next()
        seen.append(delivery.id)
        broker.settle(delivery, [])
    assert "work" in seen


def test_what_is_released_from_the_quarantine_keeps_its_deaths(
    rabbit: Callable[..., RabbitBroker], hold: Callable[..., Any]
) -> None:
    broker = rabbit()
    broker.publish([to(WORK, id="killer")])
    for attempt in (1, 2, 3):
        holder = hold(WORK)
        assert holder.take(1) == {"killer": attempt}
        holder.kill()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    held = collector.next()
    assert (held.attempt, held.deaths) == (4, 3)
    broker.release([held])
    again = collector.next()
    assert (again.attempt, again.deaths) == (4, 3)
