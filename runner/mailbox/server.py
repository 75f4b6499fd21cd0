"""The development mailbox's SMTP server: it keeps every mail, and sends none on."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from runner.mailbox.maildir import make_maildir
from runner.pipeline import Address
from runner.ports import listening
from runner.wording import facts

log = logging.getLogger("runner.mailbox")

MOST_BYTES = 10 * 1024 * 1024
MOST_CONNECTIONS = 200
"""Each may hold a mail in memory."""
_BREATH = 1.0
"""Seconds without accepting after the system had no room for a connection."""
_QUIET = 5.0
"""Seconds between two warnings: one at every moment would fill the log."""

_Conversations = Callable[[], asyncio.Protocol]


class MailboxServer:
    """An SMTP server on `listen`, or on a socket that listens, that keeps every mail in the Maildir `folder`.

    It takes any sender and any recipient, without TLS. It refuses a mail of more than
    `most_bytes`, and any client while MOST_CONNECTIONS are open. It runs in its own thread, from
    `start` (or `with`) to `stop`. `port` is the real port, also if 0 was asked for.
    """

    def __init__(self, listen: Address | socket.socket, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._listen = listen
        self._folder = folder
        self._most_bytes = most_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._open: set[asyncio.Transport] = set()
        self._warned = -_QUIET
        self.port = 0

    def start(self) -> None:
        """Returns when mails can be sent to it. Raises StartError."""
        from runner.mailbox.smtp import MailboxProtocol  # takes 60 ms to import

        make_maildir(self._folder)
        listener = listening(self._listen, "mailbox: listen") if isinstance(self._listen, Address) else self._listen
        self.port = listener.getsockname()[1]
        conversation, up = partial(MailboxProtocol, self._folder, self._most_bytes), threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, conversation, up)), name="mailbox", daemon=True
        )
        self._thread.start()
        up.wait()

    def stop(self) -> None:
        """Stop at once; a mail not yet answered still belongs to its sender."""
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

    async def _serve(self, listener: socket.socket, conversation: _Conversations, up: threading.Event) -> None:
        """Serve until `stop`; then the loop ends, and cancels the remaining conversations."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self._warn(f"a conversation failed: {context['message']}"))
        self._over = asyncio.Event()
        accepting = asyncio.create_task(self._accept(listener, conversation))
        up.set()
        await self._over.wait()
        accepting.cancel()
        listener.close()
        for transport in self._open:
            transport.close()

    async def _accept(self, listener: socket.socket, conversation: _Conversations) -> None:
        """Without descriptors, asyncio's own server logs a traceback for each place in the backlog."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
                await self._let_in(client, conversation)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._warn(f"can't take connections: {error.strerror}; trying again")
                    await asyncio.sleep(_BREATH)

    async def _let_in(self, client: socket.socket, conversation: _Conversations) -> None:
        self._open = {transport for transport in self._open if not transport.is_closing()}
        if len(self._open) < MOST_CONNECTIONS:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(conversation, client)
            self._open.add(transport)
            return
        self._warn(f"{MOST_CONNECTIONS} connections are open, which is the limit; others are turned away")
        with client:
            client.send(b"421 4.7.0 too many connections\r\n")

    def _warn(self, text: str) -> None:
        now = time.monotonic()
        if now - self._warned >= _QUIET:
            self._warned = now
            log.warning("mailbox: %s", text, extra=facts(reason=text))


_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
