"""An end to reads from a server that does not answer."""

from __future__ import annotations

import socket

from runner.ledger.patience import Patience

SOON = 0.05
"""Seconds."""


def test_a_read_that_gets_no_answer_ends_and_so_does_the_next_one() -> None:
    patience = Patience()
    for _ in range(2):
        here, there = socket.socketpair()
        with here, there, patience.bounded(here.fileno(), SOON):
            assert here.recv(1) == b""


def test_a_read_that_has_ended_in_time_leaves_its_connection_alone() -> None:
    patience = Patience()
    (here, there), (slow, silent) = socket.socketpair(), socket.socketpair()
    with here, there, slow, silent, patience.bounded(slow.fileno(), SOON):
        with patience.bounded(here.fileno(), SOON):
            there.sendall(b"1")
            assert here.recv(1) == b"1"
        assert slow.recv(1) == b""
        there.sendall(b"2")
        assert here.recv(1) == b"2"
