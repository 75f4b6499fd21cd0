"""Granian on a thread: from its start to its end."""

from __future__ import annotations

import socket
import ssl
import urllib.request

from tests.certificates import Certificate
from tests.console.conftest import PIPELINE, Show, Shown
from tests.waiting import wait_until


def test_what_is_started_takes_requests_and_what_is_stopped_takes_none(shown: Shown) -> None:
    assert shown.ask("/health/live").status == 200
    shown.served.stop()

    def refused() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", shown.port)) != 0

    wait_until(refused)


def test_with_a_certificate_it_speaks_https_and_so_does_its_cookie(show: Show, certificate: Certificate) -> None:
    tls = f'tls: {{certificate: "{certificate.file}", key: "{certificate.key}"}}'
    shown = show(PIPELINE.replace('console: {listen: "127.0.0.1:0"}', f'console: {{listen: "127.0.0.1:0", {tls}}}'))
    context = ssl.create_default_context(cafile=certificate.file)
    with urllib.request.urlopen(f"https://localhost:{shown.port}/", timeout=30, context=context) as answer:
        assert answer.status == 200
        assert "; Secure; " in answer.headers["Set-Cookie"]


def test_it_is_reached_by_ipv6_as_well(show: Show) -> None:
    shown = show(PIPELINE.replace("127.0.0.1:0", "[::1]:0"))
    with urllib.request.urlopen(f"http://[::1]:{shown.port}/health/live", timeout=30) as answer:
        assert answer.status == 200
