"""Messages as rows: stored, delayed, taken in hand and settled."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from runner.brokers.base import Depth
from tests.brokers.embedded.conftest import Opener, ask
from tests.brokers.plans import NEXT, RETRY_DELAY, WORK, consume, depth, to
from tests.waiting import wait_until

BACKLOG = ("message", "taken", "delayed")


def test_no_statement_goes_through_a_backlog(open_broker: Opener) -> None:
    broker = open_broker()
    statements: set[str] = set()

    def watch(store: object) -> None:
        store._connection.set_trace_callback(statements.add)  # type: ignore[attr-defined]

    ask(broker, watch)
    broker.publish([to(WORK) for _ in range(50)])
    collector = consume(broker, prefetch=20)
    taken = collector.wait(20)
    broker.cancel(WORK)
    broker.settle(taken[0], [to(WORK, delay=RETRY_DELAY)])
    broker.settle(taken[9], [to(NEXT)])
    broker.release(taken[10:15])
    wait_until(lambda: depth(broker) == Depth(ready=35, in_hand=13, delayed=1))
    consume(broker, prefetch=50).wait(36)
    plans = {}
    with closing(sqlite3.connect(broker._path)) as database:
        for statement in statements:
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "\nSELECT", "\nUPDATE")):
                steps = database.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
                plans[statement] = [step[3] for step in steps]
    through = {s: plan for s, plan in plans.items() if any(f"SCAN {t}" in " ".join(plan) for t in BACKLOG)}
    assert len(plans) > 15
    assert not through
