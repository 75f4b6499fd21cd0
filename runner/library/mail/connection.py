"""A connection to a relay: Flask-Mail's, with verified TLS and time-outs.

What an answer means is `answers.py`'s to say. Importing this file imports Flask, which
takes a while: whoever only wants to check settings shouldn't.
"""

from __future__ import annotations

import smtplib
import socket
from contextlib import suppress
from typing import Any

import flask_mail
from flask import Flask

from runner.library.mail.relay import Relay


class _Plain(smtplib.SMTP):
    """Remembers whether DATA was begun: until then a mail that failed was certainly not sent."""

    data_begun = False

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.data_begun = True
        return super().data(msg)


class _Encrypted(_Plain, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte."""


class Connection(flask_mail.Connection):
    """Flask-Mail's, with a time-out and with the relay's certificate verified."""

    host: _Plain

    def __init__(self, mail: Any, relay: Relay) -> None:
        super().__init__(mail)
        self._relay = relay

    def configure_host(self) -> _Plain:
        host = self._connected()
        try:
            if self._relay.use_tls:
                host.starttls(context=self._relay.tls_context())
            if self._relay.username:
                host.login(self._relay.username, self._relay.password)
            host.ehlo_or_helo_if_needed()
        except BaseException:
            host.close()
            raise
        return host

    def _connected(self) -> _Plain:
        relay = self._relay
        place = (relay.server, relay.port, _own_name())
        if relay.use_ssl:
            host: _Plain = _Encrypted(*place, timeout=relay.timeout, context=relay.tls_context())
        else:
            host = _Plain(*place, timeout=relay.timeout)
        if host.sock is not None:
            # A mail is longer than a packet: its end shouldn't wait for the relay's delayed ACK.
            host.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return host

    def quit(self) -> None:
        """Leave politely, but don't wait for long for one that is gone."""
        with suppress(smtplib.SMTPException, OSError):
            if self.host.sock is not None:
                self.host.sock.settimeout(1.0)
            self.host.quit()
        self.host.close()


class Mail(flask_mail.Mail):
    """Flask-Mail's, which would hard-code its own Connection."""

    def __init__(self, app: Flask, relay: Relay) -> None:
        super().__init__(app)
        self._relay = relay

    def connect(self) -> Connection:
        return Connection(self.state, self._relay)


def _own_name() -> str:
    """What EHLO says. Without asking the DNS, as smtplib would: that can take seconds."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
