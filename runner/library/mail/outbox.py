"""A connection that stays open from mail to mail, and notices its death.

Importing this file imports Flask, which takes a while: don't, just to check settings.
"""

from __future__ import annotations

import smtplib
import time

from flask import Flask

from runner import Reject, Retry
from runner.library.mail.answers import cannot_connect, cannot_send, is_goodbye
from runner.library.mail.connection import RelayConnection, RelayMail
from runner.library.mail.email import Email
from runner.library.mail.relay import Relay

_IDLE = 30.0
"""Seconds after which an idle connection isn't trusted: a firewall may have silently dropped
it, and a command would wait for the whole time-out."""


class Outbox:
    """Sends mails to one relay over one connection; used by one thread at a time."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._app = Flask(__name__, static_folder=None)
        self._mail = RelayMail(self._app, relay)
        self._connection: RelayConnection | None = None
        self._used = 0.0

    def send(self, email: Email) -> str:
        """Give `email`, which has one recipient, to the relay; when this returns it has taken it, with
        this answer.

        Raises Retry, Reject (bounced), or Pause if no conversation was opened, which is no mail's fault.
        """
        with self._app.app_context():  # Flask-Mail needs one; it costs 5 µs, a mail 500
            if not self._send_over_kept(email):
                self._connect()
                try:
                    self._transfer(email)
                except (smtplib.SMTPException, OSError) as error:
                    raise self._order(error) from error
        assert self._connection is not None
        return self._connection.host.answered

    def probe(self) -> str:
        """Open a conversation, and end it. Returns what it was like. Raises Pause."""
        with self._app.app_context():
            self._drop()
            self._connect()
        assert self._connection is not None
        told = self._connection.security
        self.close()
        return f"{self._relay} is ready for mails; {told}"

    def close(self) -> None:
        if self._connection is not None:
            self._connection.quit()
            self._connection = None

    def _send_over_kept(self, email: Email) -> bool:
        """Whether the open connection took it. If it died before DATA, nothing of the mail was
        sent, and the mail may go over a new connection at once."""
        if self._connection is None or time.monotonic() - self._used > _IDLE:
            self._drop()
            return False
        try:
            self._transfer(email)
        except (smtplib.SMTPException, OSError) as error:
            if not self._connection.host.data_begun and is_goodbye(error):
                self._drop()
                return False
            raise self._order(error) from error
        return True

    def _transfer(self, email: Email) -> None:
        assert self._connection is not None
        self._connection.send(email)
        self._used = time.monotonic()

    def _connect(self) -> None:
        try:
            connection = self._mail.connect()
            connection.__enter__()
        except (smtplib.SMTPException, OSError, ValueError) as error:  # ValueError: a ca_file that is gone
            raise cannot_connect(error, self._relay) from error
        self._connection = connection

    def _order(self, error: Exception) -> Retry | Reject:
        """What to do about a mail that failed; the connection stays open only if it is known to be clean."""
        assert self._connection is not None
        begun = self._connection.host.data_begun
        if not isinstance(error, smtplib.SMTPRecipientsRefused) or is_goodbye(error):
            self._drop()
        else:
            self._used = time.monotonic()
        return cannot_send(error, self._relay, data_begun=begun)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.host.close()
            self._connection = None
