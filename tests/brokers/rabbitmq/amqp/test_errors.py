"""pika's errors in words for an operator, and whether waiting helps."""

from __future__ import annotations

import socket
import ssl

import pytest
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ChannelClosedByClient,
    ConnectionClosedByBroker,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from runner.brokers.rabbitmq.amqp.errors import closed_by_broker, explain, is_refusal

VHOST = "it refuses access to the virtual host (does it exist, and may the user access it?)"
LIMIT = 'ConnectionClosedByBroker: (530) "NOT_ALLOWED - vhost v: connection limit (1) is reached"'
NO_MORE = "it takes no more connections: connection limit (1) is reached; raise it, or run fewer processes"
HUNG_UP = "it hung up before the connection was open"
NO_TLS = "it doesn't speak TLS on this port (amqps:// needs its TLS port, often 5671)"
REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionClosedByBroker(320, "CONNECTION_FORCED - maintenance"), "CONNECTION_FORCED - maintenance (320)"),
        (ProbableAuthenticationError(), "it refuses the user name or the password"),
        (ProbableAccessDeniedError(), VHOST),
        (ProbableAccessDeniedError("ConnectionClosedByBroker: (530) \"NOT_ALLOWED - vhost v not found\""), VHOST),
        (ProbableAccessDeniedError("ConnectionClosedByBroker: (541) 'INTERNAL_ERROR'"), "INTERNAL_ERROR (541)"),
        (ProbableAccessDeniedError(LIMIT), NO_MORE),
        (ProbableAuthenticationError("StreamLostError: ('Transport indicated EOF',)"), HUNG_UP),
        (IncompatibleProtocolError("HTTP"), "it doesn't speak AMQP 0-9-1 (is it the right port?)"),
        (ssl.SSLError(1, "wrong version number"), NO_TLS),
        (REFUSED, "connection refused"),
        (AMQPConnectionError(AMQPConnectionError(REFUSED)), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        ("a text", "a text"),
        (ValueError(), "ValueError"),
    ],
)  # fmt: skip
def test_an_error_is_reported_in_the_words_of_its_cause(error: BaseException | str, words: str) -> None:
    assert explain(error) == words


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (ProbableAuthenticationError(), True),
        (ProbableAccessDeniedError(), True),
        (IncompatibleProtocolError(), True),
        (ProbableAccessDeniedError("ConnectionClosedByBroker: (541) 'INTERNAL_ERROR'"), False),
        (ProbableAccessDeniedError("ConnectionClosedByBroker: (530) \"NOT_ALLOWED - vhost 'v' is down\""), False),
        (ProbableAccessDeniedError(LIMIT), False),
        (ProbableAccessDeniedError("StreamLostError: ('Transport indicated EOF',)"), False),
        (ProbableAuthenticationError("ConnectionClosedByBroker: (403) 'ACCESS_REFUSED - Login was refused'"), True),
        (ConnectionClosedByBroker(403, "ACCESS_REFUSED"), True),
        (ConnectionClosedByBroker(530, "NOT_ALLOWED - vhost v not found"), True),
        (ConnectionClosedByBroker(530, "NOT_ALLOWED - vhost 'v' is down"), False),
        (ConnectionClosedByBroker(320, "CONNECTION_FORCED"), False),
        (
            ConnectionClosedByBroker(
                530,
                "NOT_ALLOWED - number of channels opened for user 'u' has reached the maximum allowed user limit",
            ),
            False,
        ),
        (AMQPConnectionError(REFUSED), False),
        ("timed out", False),
    ],
)
def test_only_a_refusal_needs_a_person(error: BaseException | str, refusal: bool) -> None:
    assert is_refusal(error) is refusal


def test_a_channel_that_the_broker_closed_has_a_code_and_one_that_we_closed_has_none() -> None:
    assert closed_by_broker(ChannelClosedByBroker(406, "PRECONDITION_FAILED")) == (406, "PRECONDITION_FAILED")
    assert closed_by_broker(ChannelClosedByClient(200, "Normal shutdown")) is None
