"""A body finds its destinations, and the schemas that it has to keep there."""

from __future__ import annotations

from pathlib import Path

from runner.message import Destination
from runner.pipeline import Binding, Exchange, Pipeline, Queue, Route
from runner.routing import Router
from runner.topology import plan
from runner.validation.schema import Schema

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


def destinations(router: Router, body: object) -> tuple[Destination, ...]:
    route = router.route(body)
    return () if route is None else route.to


def test_one_route_without_a_condition_takes_every_body() -> None:
    only = router(Route((PAID, EVENT)))
    assert destinations(only, {}) == destinations(only, None) == destinations(only, [1]) == (PAID, EVENT)


def test_the_first_route_that_matches_is_taken() -> None:
    several = router(Route((REFUSED,), REFUSAL), Route((EVENT,), {"required": ["amount"]}), Route((PAID,)))
    assert destinations(several, {"refusal": "no", "amount": 1}) == (REFUSED,)
    assert destinations(several, {"amount": 1}) == (EVENT,)
    assert destinations(several, {}) == (PAID,)


def test_a_body_that_no_route_takes_has_no_destination() -> None:
    assert destinations(router(Route((REFUSED,), REFUSAL)), {}) == ()
    assert destinations(router(Route((REFUSED,), False)), {}) == ()
    assert destinations(router(), {}) == ()


def test_a_condition_that_is_always_true_is_none() -> None:
    assert destinations(router(Route((REFUSED,), True), Route((PAID,))), {}) == (REFUSED,)


def test_a_route_knows_the_schemas_of_all_the_queues_that_it_leads_to() -> None:
    payment, event = Schema({"required": ["amount"]}), Schema(True)
    routing = router(Route((REFUSED,), REFUSAL), Route((PAID, EVENT, PAID)), paid=payment, audit=event)
    route = routing.route({})
    assert route is not None
    assert route.schemas == (("paid", payment), ("audit", event))
    refused = routing.route({"refusal": "no"})
    assert refused is not None
    assert refused.schemas == ()
