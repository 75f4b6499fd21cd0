"""The connections that a process may have, and those that it leaves to a successor."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from runner.intake.connections import OTHER_FILES, clients, leave_socket, open_files
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


def test_clients_are_counted_and_nothing_is_left_open_by_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            before = open_files()
            assert [clients(port) for _ in range(3)] == [1, 1, 1]
            assert open_files() == before


def test_where_no_file_can_be_opened_as_many_are_open_as_may_be() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/dev/fd").iterdir())
    with ExitStack() as held:
        while (taken := held.enter_context(Path("/dev/null").open())).fileno() <= highest:
            pass
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken.fileno() + 1, before[1]))
            assert open_files() == taken.fileno() + 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert 0 < open_files() <= highest + 1
