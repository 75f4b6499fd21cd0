"""The routes of a stage or of an HTTP route."""

from __future__ import annotations

import pytest

from runner.message import Destination
from runner.pipeline import Route
from tests.config.files import loaded

pytestmark = pytest.mark.usefixtures("any_schema")

A, B, EVENTS = Destination("", "a"), Destination("", "b"), Destination("e", "k")


@pytest.mark.parametrize(
    ("written", "routes"),
    [
        ("a", (Route((A,)),)),
        ("[a, b]", (Route((A, B)),)),
        (
            "[{to: a, when: {required: [x]}}, {to: [b, {exchange: e, key: k}]}]",
            (Route((A,), {"required": ["x"]}), Route((B, EVENTS))),
        ),
    ],
    ids=["a queue", "queues", "routes"],
)
def test_each_way_of_writing_them(written: str, routes: tuple[Route, ...]) -> None:
    text = f"""
exchanges: {{e: {{type: topic}}}}
queues: {{a: {{}}, b: {{bind: [{{exchange: e, key: k}}]}}}}
http: {{routes: {{POST /a: {{publish: {written}}}}}}}
"""
    http = loaded(text).pipeline.http
    assert http is not None
    assert http.routes[0].publish == routes
