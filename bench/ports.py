"""Ports for benchmarks and tests, each given only once.

They lie below those that the system gives to outgoing connections and to whoever asks for any
port: a program that is down for a moment finds its own still free.
"""

from __future__ import annotations

import fcntl
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 12_000, 29_999
LAST_GIVEN = Path(tempfile.gettempdir(), "pipeline-runner-bench.port")
"""Holds the port that was given last by any process, and its lock the turn to take the next one."""


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on, and that no other call is given
    before all of them were. Raises OSError if none is free."""
    with LAST_GIVEN.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        given = file.read()
        last = int(given) if given.isdigit() else random.randint(FIRST, LAST)
        for number in range(last + 1, last + 2 + LAST - FIRST):
            port = FIRST + (number - FIRST) % (LAST - FIRST + 1)
            if _is_free(port):
                file.truncate(0)
                file.write(str(port))
                return port
    raise OSError(f"no port from {FIRST} to {LAST} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is long closed lingers there
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
