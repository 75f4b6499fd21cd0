"""Sockets that listen, and the error for an address that can't be listened on."""

from __future__ import annotations

import errno
import socket

from runner.errors import StartError
from runner.hosts import family_of
from runner.pipeline import Address

BACKLOG = 1024
"""Connections that may wait to be accepted."""


def listening(address: Address, key: str, variable: str = "", *, unread: float = 0.0) -> socket.socket:
    """A socket that listens on `address`, which is at `key` in the pipeline and, in the shipped
    one, comes from the environment's `variable`.

    A connection whose peer has read nothing for `unread` seconds is ended if the system can do
    that (Linux; 0: never). Raises StartError if nothing can listen there.
    """
    try:
        listener = socket.socket(family_of(address.host), socket.SOCK_STREAM)
    except OSError as error:
        raise _cannot_listen(address, key, variable, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end_unread(listener, unread)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _cannot_listen(address, key, variable, error) from None
    return listener


def end_unread(listener: socket.socket, after: float) -> None:
    """Of the connections that `listener` takes from now on, end each whose peer has read nothing for `after` seconds,
    if the system can do that (Linux; 0: never)."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(after * 1000))


def _cannot_listen(address: Address, key: str, variable: str, error: OSError) -> StartError:
    reason = (error.strerror or str(error)).lower()
    ways_out = {
        errno.EADDRINUSE: ("stop the other program, or listen elsewhere", address.port + 1),
        errno.EACCES: ("listen on a port above 1023", address.port + 8000),
    }
    way_out, port = ways_out.get(error.errno or 0, ("listen on an address of this machine", address.port))
    where = f"{variable}=127.0.0.1:{port}, or {key} in the pipeline" if variable else f"{key} in the pipeline"
    return StartError(f"can't listen on {address}: {reason}; {way_out} ({where})")
