"""One request and its answer end in time and within their size, whatever the server does."""

from __future__ import annotations

import socket
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.gateways.exchange import MOST_BYTES, Answer, NoAnswerError, Server, UntrustedError
from tests.certificates import Certificate
from tests.stages.gateways.servers import (
    Script,
    ScriptedGateway,
    answer,
    drips,
    floods,
    resets,
    sends,
    silent,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"id": "ch_1"}'
AT_MOST = 5.0
"""Seconds: far more than the time-out of a request here, and far less than never."""


def ask(gateway: ScriptedGateway, *, timeout: float = 0.3, tls: ssl.SSLContext | None = None) -> Answer:
    server = Server("localhost", gateway.port, tls)
    return server.ask("POST", "/charges?a=b", {"X-Key": "secret"}, b"{}", timeout=timeout)


def test_a_request_goes_out_whole_and_its_answer_comes_back_whole() -> None:
    with ScriptedGateway(answer(201, {"id": "ch_1"}, headers={"Retry-After": "3"})) as gateway:
        found = ask(gateway)
        [request] = gateway.requests

    assert (found.status, found.body, found.headers["retry-after"]) == (201, BODY, "3")
    assert request.line == "POST /charges?a=b HTTP/1.1"
    assert request.body == b"{}"
    assert request.headers["x-key"] == "secret"
    assert request.headers["host"] == f"localhost:{gateway.port}"


@pytest.mark.parametrize(
    "script",
    [
        sends(OK + b"Content-Length: 14\r\n\r\n" + BODY),
        sends(OK + b"\r\n" + BODY),
        sends(OK + b"Transfer-Encoding: chunked\r\n\r\n7\r\n" + BODY[:7] + b"\r\n7\r\n" + BODY[7:] + b"\r\n0\r\n\r\n"),
        sends(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 14\r\n\r\n" + BODY),
        sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"\r\n" + BODY),
        sends(b"HTTP/1.1 102 Processing\r\n\r\n" * 9, OK + b"Content-Length: 14\r\n\r\n", BODY),
        sends(*(bytes([byte]) for byte in OK + b"Content-Length: 14\r\n\r\n" + BODY)),
        sends(b"HTTP/1.0 200 OK\r\n\r\n" + BODY),
    ],
    ids=["a length", "until the end", "chunks", "a 100", "a 103", "many 102s", "byte by byte", "HTTP/1.0"],
)
def test_every_way_to_send_an_answer_is_understood(script: Script) -> None:
    with ScriptedGateway(script) as gateway:
        assert ask(gateway, timeout=AT_MOST)[::2] == (200, BODY)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (silent, r"gave no answer within 0\.3 s"),
        (drips(b"", b"H"), r"gave no answer within 0\.3 s"),
        (drips(OK, b"X-More: yes\r\n"), r"gave no answer within 0\.3 s"),
        (drips(OK + b"\r\n", b" "), r"gave no answer within 0\.3 s"),
        (drips(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), r"gave no answer within 0\.3 s"),
        (drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), r"gave no answer within 0\.3 s"),
        (resets, "broke off"),
        (sends(), "broke off"),
        (sends(b"HTTP/1."), "broke off: BadStatusLine"),
        (sends(OK), "broke off: its header is cut off"),
        (sends(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "broke off"),
        (sends(b"220 mail.example.com ESMTP\r\n"), "broke off: BadStatusLine"),
        (sends(b"HTTP/1.1 999999999999999 Huge\r\n\r\n"), "broke off: BadStatusLine"),
        (sends(OK + b"Content-Length: 99\r\n\r\n" + BODY), "broke off: 85 bytes are missing"),
        (sends(OK + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY), "bytes are missing"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + BODY), "broke off: IncompleteRead"),
        (sends(OK + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n"), "broke off"),
        (sends(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "broke off: it switches to another protocol"),
        (floods(b"", b"x" * 4096), "broke off"),
        (floods(OK, b"X-More: yes\r\n" * 300), "broke off"),
        (floods(OK + b"\r\n", b" " * 4096), f"the answer is longer than {MOST_BYTES} bytes"),
        (floods(OK + b"Content-Length: 9999999\r\n\r\n", b" " * 4096), f"longer than {MOST_BYTES} bytes"),
        (floods(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100), f"longer than {MOST_BYTES} bytes"),
    ],
)
def test_whatever_is_no_whole_answer_ends_in_time_and_may_have_been_received(script: Script, reason: str) -> None:
    """Where the time isn't what ends it, there is plenty: the machine may be busy."""
    timeout = 0.3 if "within" in reason else AT_MOST
    with ScriptedGateway(script) as gateway:
        with pytest.raises(NoAnswerError, match=reason) as raised:
            ask(gateway, timeout=timeout)
        assert raised.value.sent
        assert gateway.flooded < 4 * 1024 * 1024, "it was not read for long"
        assert len(gateway.requests) == 1, "it was not sent twice"


def test_a_server_that_is_not_there_has_certainly_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswerError, match="can't be reached") as raised:
        Server("localhost", port, None).ask("POST", "/", {}, b"", timeout=AT_MOST)
    assert not raised.value.sent


def test_a_host_without_an_address_has_certainly_got_nothing() -> None:
    with pytest.raises(NoAnswerError, match="can't be reached") as raised:
        Server("nowhere.invalid", 443, None).ask("POST", "/", {}, b"", timeout=AT_MOST)
    assert not raised.value.sent


def test_a_server_that_takes_no_connection_is_given_up_in_time() -> None:
    with socket.socket() as listener:  # a full backlog: nobody accepts
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(place)
        with pytest.raises(NoAnswerError):
            Server("127.0.0.1", place[1], None).ask("POST", "/", {}, b"", timeout=0.3)
        for one in waiting:
            one.close()


def test_a_redirect_is_an_answer_like_any_other_and_nobody_follows_it() -> None:
    with (
        ScriptedGateway(answer(200)) as elsewhere,
        ScriptedGateway(answer(307, headers={"Location": elsewhere.url})) as gateway,
    ):
        assert ask(gateway).status == 307
        assert elsewhere.requests == []


# -- TLS ----------------------------------------------------------------------------


def test_a_certificate_that_can_be_verified_is_trusted(certificate: Certificate) -> None:
    trusting = ssl.create_default_context(cafile=certificate.file)
    with ScriptedGateway(answer(200, {"id": "ch_1"}), tls=certificate.server_context()) as gateway:
        assert ask(gateway, timeout=AT_MOST, tls=trusting).body == BODY


def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(certificate: Certificate) -> None:
    with ScriptedGateway(answer(200), tls=certificate.server_context()) as gateway:
        with pytest.raises(UntrustedError, match="self-signed"):
            ask(gateway, timeout=AT_MOST, tls=ssl.create_default_context())
        assert gateway.requests == []


def test_nothing_is_sent_to_a_server_of_another_name(certificate: Certificate) -> None:
    trusting = ssl.create_default_context(cafile=certificate.file)
    with ScriptedGateway(answer(200), tls=certificate.server_context()) as gateway:
        with pytest.raises(UntrustedError, match="IP address mismatch"):
            Server("127.0.0.1", gateway.port, trusting).ask("POST", "/", {}, b"", timeout=AT_MOST)
        assert gateway.requests == []


def test_a_handshake_that_never_ends_is_given_up_and_nothing_was_sent() -> None:
    with ScriptedGateway(silent) as gateway, pytest.raises(NoAnswerError, match="can't be reached") as raised:
        ask(gateway, tls=ssl.create_default_context())
    assert not raised.value.sent


# -- Anything -----------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 103 Early\r\n",
        b"HTTP/1.1 ",
        b"Content-Length: 5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 1e3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Type: application/json\r\n",
        b": \r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"5\r\n",
        b"-5\r\n",
        b"ffffffffffffffffffff\r\n",
        b"0\r\n\r\n",
        b"{}",
        b"\x00\xff\xfe",
    ]
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES | st.binary(max_size=20), max_size=12))
def test_whatever_comes_is_an_answer_or_none(pieces: list[bytes]) -> None:
    with ScriptedGateway(sends(b"".join(pieces))) as gateway:
        try:
            found = ask(gateway, timeout=AT_MOST)
        except NoAnswerError:
            return
    assert 200 <= found.status <= 999
    assert len(found.body) <= MOST_BYTES
