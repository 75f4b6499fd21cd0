"""The connections of this process: for how many it has room, and how it leaves them to a successor.

Left out: what is said on them.
"""

from __future__ import annotations

import os
import resource
import socket
from contextlib import suppress
from pathlib import Path

from runner.intake.reserve import RESERVED

OTHER_FILES = 128
"""Open files of the process other than clients' connections."""


def open_files() -> int:
    """How many open files this process has; as many as it may, if it can't even look."""
    try:
        return sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connections_for(wanted: int) -> int:
    """How many connections this process has room for, at most `wanted`. Raises its limit of open
    files as far as allowed."""
    others = RESERVED + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted + others if hard == resource.RLIM_INFINITY else min(wanted + others, hard)
    if soft != resource.RLIM_INFINITY and limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    room = wanted if soft == resource.RLIM_INFINITY else soft - others
    return max(1, min(wanted, room))


def leave_socket(listener: socket.socket) -> None:
    """Take nothing more from it in this process, whoever in it may have it: others still do."""
    shared = os.fstat(listener.fileno())
    for path in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the folder itself
            if os.path.samestat(os.fstat(int(path.name)), shared):
                leave_descriptor(int(path.name), listener.family)


def leave_descriptor(descriptor: int, family: int) -> None:
    """Put a socket in its place that nobody connects to."""
    with socket.socket(family, socket.SOCK_STREAM) as nobodys:
        nobodys.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))  # `localhost` may be but one of them
        nobodys.listen(1)
        nobodys.setblocking(False)
        os.dup2(nobodys.fileno(), descriptor)


def clients(port: int) -> int:
    """How many connections to `port` this process has."""
    found = 0
    for path in Path("/dev/fd").iterdir():
        with suppress(OSError), _same_socket(int(path.name)) as connection:
            is_client = connection.family in (socket.AF_INET, socket.AF_INET6) and connection.getpeername()
            found += bool(is_client) and connection.getsockname()[1] == port
    return found


def _same_socket(descriptor: int) -> socket.socket:
    """Raises OSError if it is none; nothing is left open then."""
    same = os.dup(descriptor)
    try:
        return socket.socket(fileno=same)
    except OSError:
        os.close(same)
        raise
