"""The development mailbox's SMTP server: it keeps every mail, and sends none on."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runner.errors import StartError
from runner.mailbox.maildir import keep, make_maildir
from runner.pipeline import Address

log = logging.getLogger("runner.mailbox")

MOST_BYTES = 10 * 1024 * 1024
_BACKLOG = 512


class MailboxServer:
    """An SMTP server on `listen` that keeps every mail in the Maildir `folder`.

    It takes any sender, any recipient and, without TLS, any number of connections; a mail
    of more than `most_bytes` is refused. It runs in a thread of its own, from `start` (or
    `with`) to `stop`, in whatever process that is. `port` is the real one where 0 was asked for.
    """

    def __init__(self, listen: Address, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._listen = listen
        self._folder = folder
        self._most_bytes = most_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._thread: threading.Thread | None = None
        self.port = listen.port

    def start(self) -> None:
        """Returns when mails can be sent to it. Raises StartError."""
        make_maildir(self._folder)
        listener = _listener(self._listen)
        self.port = listener.getsockname()[1]
        protocol, up = self._protocol(), threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, protocol, up)), name="mailbox", daemon=True
        )
        self._thread.start()
        up.wait()

    def stop(self) -> None:
        """Stop at once; a mail that wasn't answered yet is its sender's still."""
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self, listener: socket.socket, protocol: Callable[[], Any], up: threading.Event) -> None:
        """Serve until `stop`; then the loop ends, and cancels what is left of the conversations."""
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        try:
            server = await self._loop.create_server(protocol, sock=listener)
        finally:
            up.set()
        await self._over.wait()
        server.close()

    def _protocol(self) -> Callable[[], Any]:
        from aiosmtpd.smtp import SMTP  # takes 60 ms to import, which reading a mailbox needn't spend

        for name in ("mail.log", "mail.error", "mail.debug"):
            logging.getLogger(name).setLevel(logging.ERROR)  # a line for each command would drown the runner's own
        keeper = _Keeper(self._folder)
        # The host name is given, since aiosmtpd would ask the DNS for it at each connection.
        return lambda: SMTP(
            keeper,
            hostname="localhost",
            data_size_limit=self._most_bytes,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )


class _Keeper:
    """What aiosmtpd calls when a mail has come in whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        try:
            keep(self._folder, envelope.content, sender=envelope.mail_from, recipients=envelope.rcpt_tos)
        except OSError as error:
            log.error("mailbox: %s: a mail could not be kept: %s", self._folder, error.strerror)
            return "452 4.3.1 the mail could not be written"
        return "250 2.0.0 kept"


def _listener(listen: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        return socket.create_server((listen.host, listen.port), family=family, backlog=_BACKLOG)
    except PermissionError as error:
        reason = f"this user may not listen on port {listen.port}; ports from 1024 are free for all"
        raise StartError(f"mailbox: {reason}. {_ANOTHER}") from error
    except OSError as error:
        taken = f"port {listen.port} of {listen.host} is taken by another program"
        reason = taken if error.errno == errno.EADDRINUSE else f"can't listen on {listen}: {error.strerror or error}"
        raise StartError(f"mailbox: {reason}. {_ANOTHER}") from error


_ANOTHER = "Set another mailbox.listen, and let the stages send their mail there"
