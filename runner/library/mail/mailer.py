"""A mail → the relay: a stage that sends mails builds on this.

Left out: what the mail says, which the stage decides.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from runner import Receipt, Reject, mask_card_numbers, timed
from runner.library.mail.addresses import bare_address, is_one_line, named_address
from runner.library.mail.relay import TIMEOUT, Relay

if TYPE_CHECKING:
    from runner.library.mail.email import Email
    from runner.library.mail.outbox import Outbox

_ID = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LONGEST_ID = 120


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient. `id` makes its Message-ID: the same id, the same mail."""

    id: str
    to: str
    """One bare address."""
    subject: str
    text: str
    html: str = ""
    """Empty: the mail has a text part only."""


class Mailer:
    """Sends mails to one relay over a connection that stays open from mail to mail, and is
    reopened when it has died; used by one thread at a time. A context manager, which closes it.

    `server`, `port`, `use_tls` (STARTTLS), `use_ssl` (TLS from the first byte),
    `username` and `password`, `default_sender` (`Shop <shop@example.com>`): as in
    Flask-Mail. `timeout`: seconds for opening the connection, log-in included, and for each
    mail up to its end; the server has ten minutes for its last answer. `reply_to`: where
    replies go. Certificates are verified; `ca_file` (PEM) names the authorities to trust
    instead of the system's.

    Raises ValueError for settings that are wrong, alone or together.
    """

    def __init__(
        self,
        *,
        server: str,
        port: int,
        default_sender: str,
        use_tls: bool = False,
        use_ssl: bool = False,
        username: str = "",
        password: str = "",
        reply_to: str = "",
        timeout: float = TIMEOUT,
        ca_file: Path | None = None,
    ) -> None:
        self._relay = Relay(server, port, use_tls, use_ssl, username, password, timeout, ca_file)
        self._sender = _sender("default_sender", default_sender)
        self._reply_to = _sender("reply_to", reply_to) if reply_to else None
        self._outbox: Outbox | None = None
        self._blank: Email | None = None

    def __enter__(self) -> Self:
        """Import what is needed, before the first mail, which opens the connection."""
        self._open_outbox()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._outbox is not None:
            self._outbox.close()

    def send(self, mail: Mail) -> Receipt:
        """Give `mail` to the relay; when this returns, the relay has taken it. The receipt has the
        `messageId`, and the relay's `answer`.

        Raises Retry, Reject (`bounced: …`), or Pause if nothing can be sent at all.
        """
        email = self._email(mail)
        with timed("smtp"):
            answer = self._open_outbox().send(email)
        return Receipt(messageId=email.msgId, answer=answer)

    def probe(self) -> str:
        """Connect as for a mail, log in where there is a user name, and say goodbye: what the relay is like.

        Raises Pause if no mail could be sent now.
        """
        return self._open_outbox().probe()

    def _email(self, mail: Mail) -> Email:
        if not is_one_line(mail.subject):
            raise Reject("the subject has a line break or another control character")
        try:
            recipient = bare_address(mail.to)
        except ValueError as error:
            raise Reject(f"bounced: {error}") from error
        email = copy(self._blank_email())
        email.recipients = [("", recipient)]
        email.subject, email.body = mail.subject, mail.text
        email.alts = {"html": mail.html} if mail.html else {}
        email.msgId = self._message_id(mail.id)
        return email

    def _message_id(self, mail_id: str) -> str:
        """RFC 5322, section 3.6.4: `<id@domain>`. An id that can't stand there is hashed."""
        if not _ID.fullmatch(mail_id) or len(mail_id) > _LONGEST_ID or mask_card_numbers(mail_id) != mail_id:
            from hashlib import sha256  # rarely needed, and it loads OpenSSL

            mail_id = sha256(mail_id.encode()).hexdigest()[:32]
        return f"<{mail_id}@{self._sender[1].rpartition('@')[2]}>"

    # -- Opened late: Flask takes 0.3 s to import, and `runner check`, which builds every
    # -- handler, has to answer sooner.

    def _open_outbox(self) -> Outbox:
        if self._outbox is None:
            from runner.library.mail.outbox import Outbox

            self._outbox = Outbox(self._relay)
        return self._outbox

    def _blank_email(self) -> Email:
        """Made once and copied: each making asks the DNS for this machine's name."""
        if self._blank is None:
            from runner.library.mail.email import Email

            self._blank = Email(
                sender=self._sender,
                reply_to=self._reply_to,
                headers={"Auto-Submitted": "auto-generated"},  # RFC 3834
            )
        return self._blank


def _sender(setting: str, text: str) -> tuple[str, str]:
    try:
        return named_address(text)
    except ValueError as error:
        raise ValueError(f"{setting}: {error}; write shop@example.com, or: Shop <shop@example.com>") from error
