"""Listening sockets, and the error for an address that can't be listened on."""

from __future__ import annotations

import socket

import pytest

from bench.ports import free_port
from runner.errors import StartError
from runner.pipeline import Address
from runner.ports import listening


def said(address: Address, variable: str = "LISTEN") -> str:
    with pytest.raises(StartError) as caught:
        listening(address, "http: listen", variable)
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_free_port_is_listened_on(host: str) -> None:
    with listening(Address(host, 0), "http: listen", "LISTEN") as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=30).close()


def test_a_port_that_is_taken_is_reported_with_the_next_one_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert said(Address("127.0.0.1", port)) == (
            f"can't listen on 127.0.0.1:{port}: address already in use; stop the other program, or listen elsewhere "
            f"(LISTEN=127.0.0.1:{port + 1}, or http: listen in the pipeline)"
        )


def test_a_port_that_another_run_listens_on_is_taken() -> None:
    address = Address("127.0.0.1", free_port())
    with listening(address, "health: listen"):
        assert "address already in use" in said(address)
        assert "or listen elsewhere (http: listen in the pipeline)" in said(address, "")


def test_a_name_without_an_address_is_reported() -> None:
    assert said(Address("nowhere.invalid", 5000)).startswith("can't listen on nowhere.invalid:5000: ")


def test_an_address_of_another_machine_is_reported() -> None:
    told = said(Address("192.0.2.1", 5000))  # RFC 5737: nobody's
    assert "listen on an address of this machine (LISTEN=127.0.0.1:5000, or http: listen in the pipeline)" in told
