"""Granian on a thread: from its start to its end."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from runner.console import serving
from runner.console.serving import CONNECTIONS
from runner.intake.connections import open_files
from tests.certificates import Certificate
from tests.console.conftest import PIPELINE, Show, Shown
from tests.intake.test_rotation import linked
from tests.waiting import TIMEOUT, wait_until


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


def test_however_many_strangers_begin_a_request_health_is_answered(shown: Shown) -> None:
    wait_until(lambda: shown.ask("/health/ready").status == 200)
    before = open_files()
    with ExitStack() as strangers:
        for _ in range(CONNECTIONS + 20):
            stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", shown.port), TIMEOUT))
            stranger.sendall(b"GET / HT")
        assert shown.ask("/health/live").status == 200
        assert shown.ask("/health/ready").status == 200
        answer = shown.ask("/")
        assert (answer.status, "connections are open; try again later" in answer.body) == (503, True)
    wait_until(lambda: shown.ask("/").status == 200)
    wait_until(lambda: open_files() < before + CONNECTIONS // 2)  # the next console counts what this process has open


def shown_with(folder: Path, show: Show) -> Shown:
    tls = f'tls: {{certificate: "{folder / "now" / "cert.pem"}", key: "{folder / "now" / "key.pem"}"}}'
    return show(PIPELINE.replace('console: {listen: "127.0.0.1:0"}', f'console: {{listen: "127.0.0.1:0", {tls}}}'))


def connected(shown: Shown, certificate: Path, timeout: float = TIMEOUT) -> ssl.SSLSocket:
    """By whoever trusts this one."""
    context = ssl.create_default_context(cafile=certificate)
    plain = socket.create_connection(("127.0.0.1", shown.port), timeout)
    return context.wrap_socket(plain, server_hostname="localhost")


def trusts(shown: Shown, certificate: Path) -> bool:
    with suppress(ssl.SSLError, ConnectionError), connected(shown, certificate):
        return True
    return False


def status(connection: ssl.SSLSocket, path: str) -> bytes:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection.recv(4096).partition(b"\r\n")[0]


def is_alive(shown: Shown, certificate: Path) -> bool:
    with suppress(OSError), connected(shown, certificate, 2.0) as connection:
        return status(connection, "/health/live") == b"HTTP/1.1 200 OK"
    return False


def test_a_new_certificate_is_taken_while_browsers_look(
    show: Show, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "runner.console")
    linked(tmp_path, "one")
    shown = shown_with(tmp_path, show)
    monkeypatch.setattr(serving, "HEADER_TIMEOUT", 2.0)  # after which who leaves has left
    before = tmp_path / "one" / "cert.pem"
    with connected(shown, before) as stream, connected(shown, before) as idle:
        assert status(stream, "/live") == b"HTTP/1.1 200 OK"
        for name in ("two", "three"):
            linked(tmp_path, name)
            after = tmp_path / name / "cert.pem"
            wait_until(lambda: trusts(shown, after) and not trusts(shown, before))  # noqa: B023
            with connected(shown, after) as connection:
                assert status(connection, "/health/live") == b"HTTP/1.1 200 OK"
            before = after
        wait_until(lambda: len(shown.served._server.wrks) == 1)
        while b'"at"' not in stream.recv(65536):
            pass
        idle.close()
    with ExitStack() as strangers:
        for _ in range(CONNECTIONS):
            strangers.enter_context(connected(shown, before))
        # Granian has no room for who asks. With TLS it may take one more all the same, and leave it: so ask again.
        wait_until(lambda: is_alive(shown, before))
    assert caplog.messages.count("console: tls: the new certificate is in use") == 2
    shown.served.stop()
    with pytest.raises(ConnectionError):
        connected(shown, before)


def test_new_files_that_are_of_no_use_change_nothing_and_are_named(
    show: Show, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    linked(tmp_path, "one")
    shown = shown_with(tmp_path, show)
    (tmp_path / "one" / "key.pem").write_text("nonsense")
    wait_until(lambda: "the certificate stays the old one: key.pem has no private key in PEM form" in caplog.text)
    assert trusts(shown, tmp_path / "one" / "cert.pem")


def test_it_is_reached_by_ipv6_as_well(show: Show) -> None:
    shown = show(PIPELINE.replace("127.0.0.1:0", "[::1]:0"))
    with urllib.request.urlopen(f"http://[::1]:{shown.port}/health/live", timeout=30) as answer:
        assert answer.status == 200
