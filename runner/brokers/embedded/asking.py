"""A question to all workers on this machine, and their answers: datagrams between sockets in the
folder beside the database.

A datagram that finds no room is dropped, so that nobody waits for anybody. A worker's thread sleeps
until something is asked. Left out: what is asked.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import socket
import tempfile
import threading
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from runner.brokers.base import ASK_EVERY, Asked
from runner.privacy.files import make_folder
from runner.wording import facts

log = logging.getLogger("runner.broker")

LONGEST_PATH = 100
"""Bytes of a socket's path (sockaddr_un has 104 on macOS, 108 on Linux)."""
LARGEST = 65_536
"""Bytes of a datagram: more than macOS takes, and less than Linux does."""
ASKED, ASKING = ".asked", ".asking"
"""Of sockets on which workers listen, and of those on which they are heard."""


def folder_of(database: Path) -> Path:
    """Where the sockets of the processes at `database` are: in its own folder, if its path is short."""
    beside = database.with_name(database.name + ".run")
    if len(os.fsencode(beside)) + len(_name(ASKING)) + 1 <= LONGEST_PATH:
        return beside
    digest = hashlib.sha256(os.fsencode(beside.absolute())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"runner-{os.getuid()}-{digest}"


class Listener:
    """Hears questions on a thread of its own, from `start` to `close`."""

    def __init__(self, database: Path, asked: Asked) -> None:
        self._folder = folder_of(database)
        self._asked = asked
        self._socket: socket.socket | None = None
        self._path = Path()
        self._thread = threading.Thread(target=self._hear, name="asked", daemon=True)

    def start(self) -> None:
        """Work goes on without it, if the folder can't be used."""
        try:
            _make(self._folder)
            _clear(self._folder)
            self._path = self._folder / _name(ASKED)
            self._socket = _bound(self._path)
        except OSError as error:
            told = facts(file=self._folder, reason=error.strerror)
            log.warning("questions of other processes aren't heard: %s: %s", self._folder, error.strerror, extra=told)
            return
        self._thread.start()

    def close(self) -> None:
        if self._socket is None:
            return
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)
        self._socket.close()

    def _hear(self) -> None:
        assert self._socket is not None
        while True:
            try:
                question, asker = self._socket.recvfrom(LARGEST)
            except OSError:
                return
            if not question or not asker:
                return
            try:
                self._asked(question, str(asker), partial(self._answer, asker))
            except Exception:
                log.exception("a question of another process could not be answered")

    def _answer(self, asker: str, text: bytes) -> None:
        assert self._socket is not None
        with contextlib.suppress(OSError):  # full, or gone
            self._socket.sendto(text, socket.MSG_DONTWAIT, asker)


class Asking:
    """Asks on a thread of its own, from `start` until `stop`. Raises OSError."""

    def __init__(self, database: Path, question: bytes, heard: Callable[[bytes], None]) -> None:
        self._folder = folder_of(database)
        _make(self._folder)
        self._path = self._folder / _name(ASKING)
        self._socket = _bound(self._path)
        self._socket.settimeout(ASK_EVERY)
        self._question = question
        self._heard = heard
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=work, name="asking", daemon=True) for work in (self._ask_again, self._hear)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        self._path.unlink(missing_ok=True)
        for thread in self._threads:
            thread.join(2 * ASK_EVERY)
        self._socket.close()

    def _ask_again(self) -> None:
        while True:
            for path in self._folder.glob(f"*{ASKED}"):
                _send(self._socket, self._question, path)
            if self._over.wait(ASK_EVERY):
                return

    def _hear(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):  # nothing came
                self._heard(self._socket.recv(LARGEST))


def _make(folder: Path) -> None:
    """Raises OSError, also where another user has made it."""
    make_folder(folder)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(errno.EACCES, "the folder belongs to another user")


def _name(suffix: str) -> str:
    return f"{uuid.uuid4().hex[:12]}{suffix}"


def _bound(path: Path) -> socket.socket:
    """A socket that others reach at `path`, if they are this user's."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        found.bind(str(path))
        path.chmod(0o600)
    except OSError:
        found.close()
        raise
    return found


def _send(sender: socket.socket, text: bytes, path: Path) -> None:
    """Send it, unless there is no room. A socket whose process has died is removed."""
    try:
        sender.sendto(text, socket.MSG_DONTWAIT, str(path))
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except OSError:  # full, or gone meanwhile
        pass


def _clear(folder: Path) -> None:
    """Remove the sockets of processes that were killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        for path in [*folder.glob(f"*{ASKED}"), *folder.glob(f"*{ASKING}")]:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                pass
