"""A notice as a request, to a real server that verifies as our own intake does."""

from __future__ import annotations

import json
import socket
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bench.ports import free_port
from runner.alerts.webhook import NotTakenError, Webhooks
from runner.errors import Reject
from runner.intake.problems import TurnedAway
from runner.intake.signatures import Signatures
from runner.pipeline import HttpRoute, Verify, Webhook
from tests.alerts.notices import notice
from tests.alerts.receiver import Receiver, receiving
from tests.certificates import Certificate
from tests.tcp_server import TcpServer

SECRET = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAA")
ROUTE = HttpRoute("POST", "/hook", ())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def test_a_notice_is_json_under_its_own_id(receiver: Receiver) -> None:
    Webhooks("shop", Webhook(receiver.url)).send(notice())
    [(path, headers, body)] = receiver.got
    assert (path, headers["Content-Type"], headers["webhook-id"]) == ("/hook?a=b", "application/json", "n1")
    assert headers["webhook-signature"] is None
    assert json.loads(body) == {
        "type": "alert.firing",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "pipeline": "shop",
            "condition": "dead_letters",
            "subject": "orders",
            "text": "orders has 3 dead letters",
            "since": "2027-01-15T07:58:30.000Z",
        },
    }


def test_it_goes_by_tls_to_a_server_that_is_trusted(
    receiver: Receiver, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.socket = certificate.server_context().wrap_socket(receiver.socket, server_side=True)
    url = f"https://localhost:{receiver.server_port}/hook"
    with pytest.raises(NotTakenError, match=r"localhost doesn't answer: .*CERTIFICATE_VERIFY_FAILED"):
        Webhooks("shop", Webhook(url)).send(notice())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    Webhooks("shop", Webhook(url)).send(notice())
    [(path, headers, _)] = receiver.got
    assert (path, headers["Host"]) == ("/hook", f"localhost:{receiver.server_port}")


def test_with_a_secret_it_is_signed_as_standard_webhooks_has_it(receiver: Receiver) -> None:
    Webhooks("shop", Webhook(receiver.url, SECRET)).send(notice(firing=False))
    [(_, headers, body)] = receiver.got
    assert Signatures(ROUTE, Verify((SECRET,))).verified(headers, body).key == "n1"
    with pytest.raises(TurnedAway):
        Signatures(ROUTE, Verify((SECRET,))).verified(headers, body + b" ")
    assert json.loads(body)["type"] == "alert.resolved"


@pytest.mark.parametrize("status", [500, 503, 408, 429])
def test_a_receiver_that_cannot_take_it_now_is_asked_again(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(NotTakenError, match=f"127.0.0.1 answers {status}"):
        Webhooks("shop", Webhook(receiver.url)).send(notice())


@pytest.mark.parametrize("status", [302, 400, 401, 404, 410])
def test_one_that_refuses_it_is_not(receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    with pytest.raises(Reject):
        Webhooks("shop", Webhook(receiver.url)).send(notice())
    assert len(receiver.got) == 1, "no redirect is followed"


def test_one_that_is_not_there_is_asked_again() -> None:
    with pytest.raises(NotTakenError, match=r"127\.0\.0\.1 doesn't answer: .*refused"):
        Webhooks("shop", Webhook(f"http://127.0.0.1:{free_port()}/")).send(notice())


class Drip(TcpServer):
    """Sends `begin`, and then a byte now and then."""

    begin: bytes

    def talk(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):
            connection.sendall(self.begin)
            while not self.over.wait(0.02):
                connection.sendall(b"x")


@pytest.mark.parametrize(("scheme", "begin"), [("http", b"HTTP/1.1 200 "), ("https", b"\x16\x03\x03\x40\x00")])
def test_one_that_answers_byte_by_byte_is_given_up_after_a_while(
    scheme: str, begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.alerts.webhook.TIMEOUT", 0.5)
    monkeypatch.setattr(Drip, "begin", begin, raising=False)
    with Drip() as receiver, pytest.raises(NotTakenError, match=r"127\.0\.0\.1 doesn't answer within 0\.5 s"):
        Webhooks("shop", Webhook(f"{scheme}://127.0.0.1:{receiver.port}/")).send(notice())


def test_its_secret_is_shown_nowhere() -> None:
    assert "secret" not in repr(Webhook("http://x/", SECRET))
