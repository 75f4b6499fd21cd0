"""The connections that a process may have, and those that it leaves to a successor."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from runner.intake.connections import OTHER_FILES, leave_socket
from runner.intake.reserve import RESERVED
from tests.system.program import ROOT


def test_no_more_connections_are_served_than_files_may_be_open() -> None:
    code = """if True:
        import resource
        from runner.intake.connections import connections_for

        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))
        print(connections_for(4096), connections_for(100), resource.getrlimit(resource.RLIMIT_NOFILE))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    room = 1024 - RESERVED - OTHER_FILES
    assert done.stdout == f"{room} 100 (1024, 1024)\n"


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_process_that_has_a_successor_takes_no_more_connections(host: str, family: socket.AddressFamily) -> None:
    with socket.create_server((host, 0), family=family) as listener, listener.dup():
        address = listener.getsockname()
        leave_socket(listener)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address[:2], timeout=30)
