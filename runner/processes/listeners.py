"""The sockets on which the parts of a run listen.

The supervisor opens them, and its children inherit them. So a part that is restarted or replaced
finds its port as the one before left it, and in the queue whoever has connected meanwhile.
"""

from __future__ import annotations

import socket
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Self

from runner.errors import StartError
from runner.pipeline import Address
from runner.ports import end_unread, listening
from runner.processes.parts import Parts

UNREAD = 30.0
"""Seconds for which a browser may read nothing of what it follows: granian keeps all of it."""
_all: weakref.WeakSet[socket.socket] = weakref.WeakSet()
"""The listening sockets of this process, whatever they are for."""


class _Wanted(NamedTuple):
    """A socket, as the file asks for it."""

    address: Address
    key: str
    variable: str = ""
    unread: float = 0.0

    def open(self) -> socket.socket:
        opened = listening(self.address, self.key, self.variable, unread=self.unread)
        _all.add(opened)
        return opened


class Listeners:
    """One socket for each part that listens. A run that is a part of a pipeline may lack the console's,
    which another part on this machine may have."""

    def __init__(self, sockets: Mapping[str, tuple[_Wanted, socket.socket]]) -> None:
        self._sockets = sockets

    def get(self, part: str, wanted: _Wanted) -> socket.socket | None:
        """The socket of a part, if it is where it is wanted."""
        known, opened = self._sockets.get(part, (None, None))
        return opened if known is not None and known.address == wanted.address else None

    @classmethod
    def opened(cls, parts: Parts, before: Listeners | None = None) -> Self:
        """Those that `parts` need; what `before` has, as it is wanted now, is shared with it.

        Raises StartError if an address can't be listened on; then nothing was opened. The console of a
        part of the pipeline may be without: another run on this machine may have its address.
        """
        sockets: dict[str, tuple[_Wanted, socket.socket]] = {}
        try:
            for part, wanted in _wanted(parts).items():
                known = before.get(part, wanted) if before is not None else None
                if known is not None:  # also for a predecessor: two sockets can't have one address
                    end_unread(known, wanted.unread)
                opened = known or _open(wanted, may_fail=part == "console" and not parts.whole)
                if opened is not None:
                    sockets[part] = wanted, opened
        except BaseException as error:
            cls(sockets).close(but=before)
            if before is not None and isinstance(error, StartError) and (own := before.at_port(wanted.address.port)):
                beside = f"can't listen on {wanted.address} beside {own}, where this run listens"
                raise StartError(f"{beside}; take another port, or restart it") from None
            raise
        return cls(sockets)

    def at_port(self, port: int) -> Address | None:
        """Where one of these listens that has this port."""
        addresses = (wanted.address for wanted, _ in self._sockets.values())
        return next((address for address in addresses if address.port == port), None)

    def on_ports(self, parts: Parts) -> Parts:
        """`parts`, each with the port that it has: where the file says 0, the system's choice."""
        return replace(
            parts,
            intake=parts.intake and replace(parts.intake, listen=self._address("intake")),
            mailbox=parts.mailbox and replace(parts.mailbox, listen=self._address("mailbox")),
            health=parts.health and replace(parts.health, listen=self._address("health")),
            console=parts.console and replace(parts.console, listen=self._address("console", parts.console.listen)),
        )

    def _address(self, part: str, otherwise: Address | None = None) -> Address:
        if otherwise is not None and part not in self._sockets:
            return otherwise
        wanted, opened = self._sockets[part]
        return Address(wanted.address.host, opened.getsockname()[1])

    def take(self, part: str) -> socket.socket | None:
        """In a child, the socket of its part. It lets go of all others, which would be held open otherwise."""
        _, own = self._sockets.get(part, (None, None))
        close_all(but=own)
        return own

    def close(self, but: Listeners | None = None) -> None:
        """Close those that aren't shared with `but`."""
        for part, (wanted, opened) in self._sockets.items():
            if but is None or but.get(part, wanted) is not opened:
                opened.close()


def close_all(but: socket.socket | None = None) -> None:
    """In a child: let go of the listening sockets that it has inherited."""
    for opened in list(_all):
        if opened is not but:
            opened.close()


def _open(wanted: _Wanted, *, may_fail: bool) -> socket.socket | None:
    try:
        return wanted.open()
    except StartError:
        if not may_fail:
            raise
        return None


def _wanted(parts: Parts) -> dict[str, _Wanted]:
    wanted: dict[str, _Wanted] = {}
    if parts.mailbox is not None:
        wanted["mailbox"] = _Wanted(parts.mailbox.listen, "mailbox: listen")
    if parts.health is not None:
        wanted["health"] = _Wanted(parts.health.listen, "health: listen")
    if parts.console is not None:
        wanted["console"] = _Wanted(parts.console.listen, "console: listen", "CONSOLE", UNREAD)
    if parts.intake is not None:
        wanted["intake"] = _Wanted(parts.intake.listen, "http: listen", "LISTEN", parts.intake.request_timeout)
    return wanted
