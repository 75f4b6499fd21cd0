"""The sockets of a run: which are opened, shared and closed."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from bench.ports import free_port
from runner.errors import StartError
from runner.intake.connections import open_files
from runner.pipeline import Address, Console, Http, Mailbox
from runner.processes.listeners import Listeners, close_all
from runner.processes.parts import Parts

ANYWHERE = Address("127.0.0.1", 0)
PARTS = Parts(Http(ANYWHERE), Mailbox(ANYWHERE, Path("/mails")), ())


def ports(listeners: Listeners, parts: Parts = PARTS) -> tuple[int, int]:
    on_ports = listeners.on_ports(parts)
    assert on_ports.intake is not None
    assert on_ports.mailbox is not None
    return on_ports.intake.listen.port, on_ports.mailbox.listen.port


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system can't end such connections")
def test_a_browser_that_reads_nothing_is_let_go() -> None:
    listeners = Listeners.opened(Parts(None, None, (), console=Console(ANYWHERE)))
    opened = listeners.take("console")
    assert opened is not None
    assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    listeners.close()


def test_each_part_has_the_port_on_which_it_is_reached_already() -> None:
    listeners = Listeners.opened(PARTS)
    assert all(answers(port) for port in ports(listeners))
    listeners.close()
    assert listeners.on_ports(Parts(None, None, ())) == Parts(None, None, ())


def test_a_part_that_listens_where_it_did_keeps_its_socket() -> None:
    before = Listeners.opened(PARTS)
    intake, mailbox = ports(before)
    moved = replace(PARTS, mailbox=Mailbox(Address("localhost", 0), Path("/mails")))
    after = Listeners.opened(moved, before)
    assert ports(after, moved)[0] == intake
    assert ports(after, moved)[1] != mailbox
    before.close(but=after)
    assert answers(intake)
    assert not answers(mailbox)
    after.close()
    assert not answers(intake)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system can't end such connections")
def test_a_part_keeps_its_socket_though_clients_get_another_time() -> None:
    first = Listeners.opened(PARTS)
    second = Listeners.opened(replace(PARTS, intake=Http(ANYWHERE, request_timeout=77.0)), first)
    assert ports(second) == ports(first)
    opened = second.take("intake")
    assert opened is not None
    assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 77_000
    opened.close()


def test_if_one_can_not_be_opened_none_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        parts = replace(PARTS, intake=Http(Address("127.0.0.1", taken.getsockname()[1])))
        opened = open_files()
        with pytest.raises(StartError, match="address already in use"):
            Listeners.opened(parts)
        assert open_files() == opened


def test_an_address_that_the_run_itself_keeps_from_being_used_is_named() -> None:
    port = free_port()
    before = Listeners.opened(replace(PARTS, intake=Http(Address("127.0.0.1", port))))
    everywhere = replace(PARTS, intake=Http(Address("0.0.0.0", port)))
    told = f"can't listen on 0.0.0.0:{port} beside 127.0.0.1:{port}, where this run listens; take another port, or"
    with pytest.raises(StartError, match=told):
        Listeners.opened(everywhere, before)
    assert answers(port)
    before.close()


def test_a_part_lets_go_of_the_sockets_of_others() -> None:
    listeners = Listeners.opened(PARTS)
    intake, mailbox = ports(listeners)
    own = listeners.take("intake")
    assert own is not None
    assert own.getsockname()[1] == intake
    assert not answers(mailbox)
    close_all()
    assert not answers(intake)


def test_a_part_of_a_pipeline_works_without_the_console_that_another_part_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        console = Console(Address("127.0.0.1", taken.getsockname()[1]))
        with pytest.raises(StartError, match="console: listen in the pipeline"):
            Listeners.opened(Parts(None, None, (), console=console))
        part = Parts(None, None, (), console=console, whole=False)
        listeners = Listeners.opened(part)
        assert listeners.on_ports(part) == part
        assert listeners.take("console") is None
