"""What is published in place of a dead letter, and why some stay."""

from __future__ import annotations

from typing import Any

import pytest

from runner.brokers.base import Shelved
from runner.deadletters import read
from runner.message import Destination
from runner.pipeline import Route
from runner.resending import replayed
from runner.routing import Router
from runner.stamps import QUEUED
from runner.topology import Topology
from runner.validation.schema import Schema

TOPOLOGY = Topology((), (), ())
SCHEMA = Schema({"type": "object", "required": ["n"]})


def resend(payload: bytes, id: str = "m", headers: dict[str, Any] | None = None) -> Any:
    router = Router([Route((Destination("", "orders"),))], TOPOLOGY, {"orders": SCHEMA})
    return replayed(read("orders", Shelved(id, payload, headers or {}, 0)), router)


def test_id_body_and_the_senders_headers_are_kept_and_nothing_else() -> None:
    ours = {"runner-attempt": 8, "runner-error": "no", "x-delivery-count": 3, "CC": ["q"]}
    [message] = resend(b'{"n": 1}', headers={**ours, "mine": 1, "first-error": "bank"})
    assert (message.id, message.payload, message.headers) == ("m", b'{"n": 1}', {"mine": 1, "first-error": "bank"})


def test_its_time_in_the_queue_begins_anew() -> None:
    [message] = resend(b'{"n": 1}', headers={"began": 1_700_000_000_000, QUEUED: 1_700_000_000_000})
    assert message.headers[QUEUED] > 1_700_000_000_000


@pytest.mark.parametrize(
    ("payload", "id", "headers", "why"),
    [
        (b"{", "m", {}, "the body is not JSON"),
        (b"{}", "m", {}, "the body breaks the schema of orders"),
        (b'{"n": 1}', "", {}, "no id that can be used"),
        (b'"sealed"', "m", {"runner-sealed": "it is not JSON"}, "sealed as a whole: it is not JSON"),
    ],
)
def test_what_can_not_be_sent_says_why(payload: bytes, id: str, headers: dict[str, Any], why: str) -> None:
    assert why in resend(payload, id, headers)
