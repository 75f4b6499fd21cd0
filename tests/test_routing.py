"""A body finds its destinations, and the schemas that it has to keep there."""

from __future__ import annotations

from pathlib import Path

from runner.config.model import Binding, Exchange, Pipeline, Queue, Route
from runner.message import Destination
from runner.routing import Router
from runner.schemas import Schema
from runner.topology import plan

TOPOLOGY = plan(
    Pipeline(
        name="test",
        file=Path("/there/pipeline.yaml"),
        broker=("embedded:/there/broker.db",),
        queues={
            "paid": Queue("paid"),
            "refused": Queue("refused"),
            "audit": Queue("audit", bind=(Binding("events", "#"),)),
        },
        stages={},
        exchanges={"events": Exchange("events", "topic")},
    )
)
PAID, REFUSED, EVENT = Destination("", "paid"), Destination("", "refused"), Destination("events", "payment.paid")
REFUSAL = {"required": ["refusal"]}


def router(*routes: Route, **schemas: Schema) -> Router:
    return Router(routes, TOPOLOGY, schemas)


def test_one_route_without_a_condition_takes_every_body() -> None:
    only = router(Route((PAID, EVENT)))
    assert only.destinations({}) == only.destinations(None) == only.destinations([1]) == (PAID, EVENT)


def test_the_first_route_that_matches_is_taken() -> None:
    several = router(Route((REFUSED,), REFUSAL), Route((EVENT,), {"required": ["amount"]}), Route((PAID,)))
    assert several.destinations({"refusal": "no", "amount": 1}) == (REFUSED,)
    assert several.destinations({"amount": 1}) == (EVENT,)
    assert several.destinations({}) == (PAID,)


def test_a_body_that_no_route_takes_has_no_destination() -> None:
    assert router(Route((REFUSED,), REFUSAL)).destinations({}) == ()
    assert router(Route((REFUSED,), False)).destinations({}) == ()
    assert router().destinations({}) == ()


def test_a_condition_that_is_always_true_is_none() -> None:
    assert router(Route((REFUSED,), True), Route((PAID,))).destinations({}) == (REFUSED,)


def test_a_destination_knows_the_schemas_of_the_queues_that_it_leads_to() -> None:
    payment, event = Schema({"required": ["amount"]}), Schema(True)
    routing = router(Route((PAID, EVENT)), Route((REFUSED,)), paid=payment, audit=event)
    assert routing.schemas(PAID) == [("paid", payment)]
    assert routing.schemas(EVENT) == [("audit", event)]
    assert routing.schemas(REFUSED) == []
