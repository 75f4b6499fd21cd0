"""Whether an address can be listened on, and when something answers there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from itertools import count

import pytest

from runner.errors import StartError
from runner.pipeline import Address
from runner.processes import ports
from runner.processes.ports import check_free, wait_until_answered
from tests.ports import free_port


def said(address: Address) -> str:
    with pytest.raises(StartError) as caught:
        check_free(address, "http: listen", "LISTEN")
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_free_port_is_fine_and_stays_free(host: str) -> None:
    port = free_port()
    check_free(Address(host, port), "http: listen", "LISTEN")
    check_free(Address(host, port), "http: listen", "LISTEN")


def test_a_port_that_is_taken_is_told_with_the_next_one_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert said(Address("127.0.0.1", port)) == (
            f"can't listen on 127.0.0.1:{port}: address already in use; stop the other program, or listen elsewhere "
            f"(LISTEN=127.0.0.1:{port + 1}, or http: listen in the pipeline)"
        )


def test_an_address_of_another_machine_is_told() -> None:
    told = said(Address("192.0.2.1", 5000))  # RFC 5737: nobody's
    assert "listen on an address of this machine (LISTEN=127.0.0.1:5000, or http: listen in the pipeline)" in told


def test_it_waits_until_something_answers_also_where_every_network_is_listened_on() -> None:
    address = Address("0.0.0.0", free_port())
    waiting = threading.Thread(target=wait_until_answered, args=(address,))
    waiting.start()
    with socket.create_server(("127.0.0.1", address.port)) as server:
        server.accept()[0].close()
        waiting.join(10)
    assert not waiting.is_alive()


def test_it_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "POLL", 0)
    seconds: Callable[[], float] = count().__next__
    wait_until_answered(Address("127.0.0.1", free_port()), clock=seconds, timeout=5)
    assert seconds() > 5
