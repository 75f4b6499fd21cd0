"""Ports that are free, and that nobody else is given."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench import ports
from bench.ports import free_port
from tests.system.program import ROOT

MANY = "from bench.ports import free_port; print(*(free_port() for _ in range(300)))"


def test_no_port_is_given_twice_whoever_asks() -> None:
    asking = [subprocess.Popen([sys.executable, "-c", MANY], stdout=subprocess.PIPE, cwd=ROOT) for _ in range(3)]
    given = [int(port) for one in asking for port in one.communicate()[0].split()]
    assert len(set(given)) == 900


def test_a_port_that_is_listened_on_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "LAST_GIVEN", tmp_path / "last")
        monkeypatch.setattr(ports, "FIRST", port)
        monkeypatch.setattr(ports, "LAST", port)
        with pytest.raises(OSError, match=f"no port from {port} to {port} is free"):
            free_port()
    assert free_port() == port
