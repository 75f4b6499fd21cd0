"""What of a request by RSGI a WSGI app sees."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from werkzeug.wrappers import Request

from runner.intake.wsgi import environ_of


def test_a_request_is_seen_as_it_came() -> None:
    scope = SimpleNamespace(
        scheme="https",
        authority="pay.example.com",
        server="127.0.0.1:5000",
        client="192.0.2.7:43210",
        method="POST",
        path="/make-payment",
        query_string="a=b",
        headers=SimpleNamespace(items=lambda: [("content-type", "application/json"), ("x-one", "1")]),
    )
    request = Request(environ_of(cast(Any, scope), b'{"n": 1}'))
    assert (request.method, request.url) == ("POST", "https://pay.example.com/make-payment?a=b")
    assert (request.remote_addr, request.headers["X-One"], request.get_json()) == ("192.0.2.7", "1", {"n": 1})
