"""Where a gateway is: only where card numbers may go, and what it means if nobody answers there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runner import Pause, Retry
from stages.gateways.address import Address
from tests.certificates import Certificate
from tests.stages.gateways.servers import ScriptedGateway, answer, silent

OK = answer(200, {})
NOT_SENT = "Bearer secret"


def ask(address: Address) -> int:
    return address.ask("POST", {"Authorization": NOT_SENT}, b"{}").status


def test_what_may_have_been_received_and_has_no_answer_is_unknown() -> None:
    with ScriptedGateway(silent) as gateway, pytest.raises(Retry, match=r"gave no answer within 0\.2 s: whether"):
        ask(Address(gateway.url, timeout=0.2))


def test_a_gateway_that_is_not_there_pauses_the_stage_and_costs_no_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Pause, match=rf"the gateway localhost:{port} can't be reached"):
        ask(Address(f"http://localhost:{port}/", timeout=5))


def test_the_query_of_the_address_is_sent_unless_there_is_another_path() -> None:
    with ScriptedGateway(OK) as gateway:
        address = Address(f"{gateway.url}?a=b", timeout=5)
        ask(address)
        address.ask("GET", {}, path="/other")
        assert [request.line for request in gateway.requests] == ["POST /charges?a=b HTTP/1.1", "GET /other HTTP/1.1"]


def test_a_certificate_of_ones_own_authority_is_trusted_where_the_settings_name_it(certificate: Certificate) -> None:
    with ScriptedGateway(OK, tls=certificate.server_context()) as gateway:
        assert ask(Address(gateway.url, timeout=5, ca_file=certificate.file)) == 200


def test_nothing_goes_to_a_server_that_is_not_trusted(certificate: Certificate) -> None:
    with ScriptedGateway(OK, tls=certificate.server_context()) as gateway:
        with pytest.raises(Pause, match=r"certificate can't be trusted: self-signed certificate\. Correct url"):
            ask(Address(gateway.url, timeout=5))
        assert gateway.requests == []


def test_a_file_of_authorities_that_can_not_be_used_is_found_at_once() -> None:
    with pytest.raises(ValueError, match=r"ca_file: nowhere\.pem holds no certificates in PEM form"):
        Address("https://gateway.example.com", timeout=5, ca_file=Path("nowhere.pem"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "url must be an https:// URL in ASCII, such as https://gateway.example.com/charges"),
        ("gateway.example.com", "url must be an https:// URL"),
        ("ftp://gateway.example.com", "url must be an https:// URL"),
        ("https://", "url must be an https:// URL"),
        ("https://gateway.example.com/a b", "url must be an https:// URL"),
        ("https://gateway.example.com/\r\nX: y", "url must be an https:// URL|url is no URL"),
        ("https://gateway.example.com:99999", "url is no URL: Port out of range"),
        ("https://[::1", "url is no URL"),
        ("https://me:secret@gateway.example.com", "url must have no user, password or fragment; log in by headers"),
        ("https://gateway.example.com/#top", "no user, password or fragment"),
        ("http://gateway.example.com", "card numbers would go to gateway.example.com in the clear; use https://"),
        ("http://127.0.0.1.example.com", "in the clear"),
    ],
)
def test_an_address_that_is_not_fit_for_card_numbers_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        Address(url, timeout=5)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://localhost/a", "http://127.0.0.1:80", "http://[::1]:8080/?a=b"])
def test_this_machine_needs_no_tls(url: str) -> None:
    Address(url, timeout=5)
