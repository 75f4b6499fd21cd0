"""One conversation with the development mailbox: aiosmtpd's, but no client can break or fill it.

Importing this file imports aiosmtpd, which takes 60 ms: reading a mailbox doesn't need it.
Left out: which clients are let in (see `server`).
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from runner.mailbox.maildir import keep
from runner.wording import facts

log = logging.getLogger("runner.mailbox")

for _name in ("mail.log", "mail.error", "mail.debug"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # a line for each command would drown the runner's own


class MailboxProtocol(SMTP):
    """Takes any sender and recipient; `most_bytes` limits one mail."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._most = 2 * most_bytes + 64 * 1024
        self._taken = 0
        super().__init__(
            _Keeper(folder),
            hostname="localhost",  # or aiosmtpd would ask the DNS for it at each connection
            data_size_limit=most_bytes,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )

    def data_received(self, data: bytes) -> None:
        """Refuse a mail that is too large when it ends; cut off one that doesn't end, which
        aiosmtpd would go on collecting."""
        self._taken += len(data)
        if self._taken <= self._most:
            super().data_received(data)
        elif self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]  # aiosmtpd names the base class

    def _set_post_data_state(self) -> None:
        self._taken = 0
        super()._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd's own


class _Keeper:
    """aiosmtpd calls this when a whole mail has come in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        try:
            keep(self._folder, envelope.content, sender=envelope.mail_from, recipients=envelope.rcpt_tos)
        except OSError as error:
            told = facts(file=self._folder, reason=error.strerror)
            log.error("mailbox: %s: a mail could not be kept: %s", self._folder, error.strerror, extra=told)
            return "452 4.3.1 the mail could not be written"
        return "250 2.0.0 kept"

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd fails on some commands, such as odd addresses, and would log a traceback for each."""
        log.debug("mailbox: a command that can't be followed: %r", error, extra=facts(reason=repr(error)))
        return "500 5.5.2 the command can't be followed"
