"""A body becomes messages, or a refusal that says why not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import MappingProxyType

import orjson
import pytest

from runner.message import Destination
from runner.pipeline import Binding, Exchange, Pipeline, Queue, Route
from runner.privacy.keyset import make_keys
from runner.privacy.sealed import read_token
from runner.privacy.sealing import Sealer
from runner.routing import Reason, Refusal, Router
from runner.topology import plan
from runner.validation.schema import Schema
from runner.validation.violations import Violation

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


def destinations(router: Router, body: object) -> list[Destination]:
    routed = router.route_text(orjson.dumps(body), "1")
    assert not isinstance(routed, Refusal)
    return [message.destination for message in routed]


def refusal(router: Router, text: bytes) -> Refusal:
    routed = router.route_text(text, "1")
    assert isinstance(routed, Refusal)
    return routed


def test_one_route_without_a_condition_takes_every_body() -> None:
    only = router(Route((PAID, EVENT)))
    assert destinations(only, {}) == destinations(only, None) == destinations(only, [1]) == [PAID, EVENT]


def test_the_first_route_that_matches_is_taken() -> None:
    several = router(Route((REFUSED,), REFUSAL), Route((EVENT,), {"required": ["amount"]}), Route((PAID,)))
    assert destinations(several, {"refusal": "no", "amount": 1}) == [REFUSED]
    assert destinations(several, {"amount": 1}) == [EVENT]
    assert destinations(several, {}) == [PAID]


def test_a_condition_that_is_always_true_takes_every_body() -> None:
    assert destinations(router(Route((REFUSED,), True), Route((PAID,))), {}) == [REFUSED]


def test_each_message_has_the_text_the_id_and_the_headers_that_were_given() -> None:
    text = b'{ "amount": 1.50 }'
    routed = router(Route((PAID, EVENT))).route({"amount": 1.5}, text, "p1.2", {"tenant": "a"})
    assert not isinstance(routed, Refusal)
    assert [(m.destination, m.payload, m.id, m.headers) for m in routed] == [
        (to, text, "p1.2", {"tenant": "a"}) for to in (PAID, EVENT)
    ]


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize("routes", [[Route((REFUSED,), REFUSAL)], [Route((REFUSED,), False)], []])
def test_a_body_that_no_route_takes_is_refused(routes: list[Route]) -> None:
    assert refusal(router(*routes), b"{}") == Refusal(Reason.NO_ROUTE)


def test_what_is_no_json_is_refused_without_a_word_of_it() -> None:
    refused = refusal(router(Route((PAID,))), b'{"card": 4111111111111111,}')
    assert refused.reason is Reason.NOT_JSON
    assert "trailing comma" in refused.detail
    assert "4111" not in refused.detail


def test_a_body_has_to_keep_the_schema_of_every_queue_that_its_route_leads_to() -> None:
    payment, event = Schema({"required": ["amount"]}), Schema({"required": ["currency"]})
    routing = router(Route((REFUSED,), REFUSAL), Route((PAID, EVENT, PAID)), paid=payment, audit=event)
    missing = (Violation("/amount", "is required"),)
    assert refusal(routing, b'{"currency": "EUR"}') == Refusal(Reason.INVALID, "", "paid", missing)
    assert refusal(routing, b'{"amount": 1}') == Refusal(
        Reason.INVALID, "", "audit", (Violation("/currency", "is required"),)
    )
    assert destinations(routing, {"refusal": "no"}) == [REFUSED]
    assert destinations(routing, {"amount": 1, "currency": "EUR"}) == [PAID, EVENT, PAID]


def test_a_body_that_is_only_json_once_it_is_written_is_checked_as_it_is_written() -> None:
    body = {"due": date(2026, 11, 26), "amount": MappingProxyType({"value": 1})}
    text = b'{"due": "2026-11-26", "amount": {"value": 1}}'
    dated = {"properties": {"due": {"type": "string", "format": "date"}, "amount": {"type": "object"}}}
    routing = router(Route((REFUSED,), {"not": dated}), Route((PAID,)), paid=Schema(dated))
    routed = routing.route(body, text, "1")
    assert not isinstance(routed, Refusal)
    assert [message.destination for message in routed] == [PAID]


# -- sealed fields ------------------------------------------------------------------------------

CARD = Schema({"properties": {"cardNo": {"type": "string", "x-sensitive": {"show": "last4"}}}})
NUMBER = "4111111111111111"


@pytest.fixture
def sealing(tmp_path: Path) -> Router:
    """To `paid`, whose schema marks a field, for the last four digits 1111; else to `audit`, whose schema doesn't."""
    make_keys(tmp_path / "keys")
    marked = Route((PAID,), {"properties": {"cardNo": {"const": "····1111"}}})
    return Router([marked, Route((EVENT,))], TOPOLOGY, {"paid": CARD}, Sealer(tmp_path / "keys"))


@pytest.mark.parametrize(("number", "to"), [(NUMBER, PAID), ("4222222222222222", EVENT)])
def test_a_field_is_sealed_on_every_route_and_a_route_sees_its_mask(
    sealing: Router, number: str, to: Destination
) -> None:
    routed = sealing.route_text(orjson.dumps({"cardNo": number}), "1")
    assert not isinstance(routed, Refusal)
    [message] = routed
    assert message.destination == to
    assert read_token(orjson.loads(message.payload)["cardNo"])


def test_what_one_of_several_queues_marks_is_sealed_for_all(sealing: Router, tmp_path: Path) -> None:
    other = Schema({"properties": {"account": {"type": "string", "x-sensitive": {"show": "hidden"}}}})
    both = Router([Route((EVENT, PAID))], TOPOLOGY, {"audit": other, "paid": CARD}, Sealer(tmp_path / "keys"))
    routed = both.route_text(orjson.dumps({"cardNo": NUMBER, "account": "x"}), "1")
    assert not isinstance(routed, Refusal)
    for message in routed:
        body = orjson.loads(message.payload)
        assert read_token(body["cardNo"])
        assert read_token(body["account"])


@pytest.mark.parametrize("text", [b'{"a": "sealed.1.x"}', b'{"a": ["\\u0073ealed.1.x"]}', b'"sealed.2.x"'])
def test_a_sender_may_not_write_what_looks_sealed(sealing: Router, text: bytes) -> None:
    refused = refusal(sealing, text)
    assert refused.reason is Reason.INVALID
    assert "begins like a sealed value" in str(refused.violations)


@pytest.mark.parametrize("levels", [254, 500, 1000])
@pytest.mark.parametrize("inside", [b"1", b'"sealed."'])
def test_a_body_that_is_nested_too_deeply_to_be_sealed_is_refused(sealing: Router, levels: int, inside: bytes) -> None:
    refused = refusal(sealing, b'{"a":' + b"[" * levels + inside + b"]" * levels + b"}")
    assert refused.violations == (Violation("", "is nested too deeply"),)
