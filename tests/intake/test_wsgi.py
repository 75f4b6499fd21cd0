"""What of a request by RSGI a WSGI app sees."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.wrappers import Request

from runner.intake.wsgi import environ_of


def scope_of(path: str) -> Any:
    return SimpleNamespace(
        scheme="https",
        authority="pay.example.com",
        server="127.0.0.1:5000",
        client="192.0.2.7:43210",
        method="POST",
        path=path,
        query_string="a=b",
        headers=SimpleNamespace(items=lambda: [("content-type", "application/json"), ("x-one", "1")]),
    )


def test_a_request_is_seen_as_it_came() -> None:
    request = Request(environ_of(scope_of("/make-payment"), b'{"n": 1}'))
    assert (request.method, request.url) == ("POST", "https://pay.example.com/make-payment?a=b")
    assert (request.remote_addr, request.headers["X-One"], request.get_json()) == ("192.0.2.7", "1", {"n": 1})


@pytest.mark.parametrize("path", ["/a?b", "/a#b", "/a%2Fb", "/ä €"])
def test_a_path_is_taken_as_it_is_whatever_it_holds(path: str) -> None:
    request = Request(environ_of(scope_of(path), b""))
    assert (request.path, request.query_string) == (path, b"a=b")


@pytest.mark.parametrize("path", ["//[", "//elsewhere/a"])
def test_a_path_is_no_address(path: str) -> None:
    assert environ_of(scope_of(path), b"")["PATH_INFO"] == path
