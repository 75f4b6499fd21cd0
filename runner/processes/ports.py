"""Whether an address can be listened on, and when something answers there."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

from runner.errors import StartError
from runner.pipeline import Address

POLL = 0.01
"""Seconds between tries to connect."""


def check_free(address: Address, key: str, variable: str) -> None:
    """Raises StartError where nothing can listen on `address`, which stands at `key` of
    the pipeline. The HTTP server itself would share a port with another one of its kind."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        ways_out = {
            errno.EADDRINUSE: ("stop the other program, or listen elsewhere", address.port + 1),
            errno.EACCES: ("listen on a port above 1023", address.port + 8000),
        }
        way_out, port = ways_out.get(error.errno or 0, ("listen on an address of this machine", address.port))
        where = f"{variable}=127.0.0.1:{port}, or {key} in the pipeline"
        raise StartError(f"can't listen on {address}: {reason}; {way_out} ({where})") from None


def wait_until_answered(
    address: Address, *, clock: Callable[[], float] = time.monotonic, timeout: float = 10.0
) -> None:
    """Return when something accepts connections on `address`, or after `timeout` seconds."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - compared, not bound
    deadline = clock() + timeout
    while clock() < deadline:
        try:
            socket.create_connection((host, address.port), timeout=1.0).close()
        except OSError:
            time.sleep(POLL)
        else:
            return
