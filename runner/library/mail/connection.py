"""A connection to a relay: Flask-Mail's, with verified TLS and limits.

Left out: what an answer means (see `answers.py`). Importing this file imports Flask, which
takes a while: don't, just to check settings.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from typing import Any

import flask_mail
from flask import Flask

from runner.library.mail.conversation import Conversation
from runner.library.mail.relay import Relay


class _Encrypted(smtplib.SMTP_SSL, Conversation):
    """With TLS from the first byte."""


class RelayConnection(flask_mail.Connection):
    """Flask-Mail's, with limits and with the relay's certificate verified."""

    host: Conversation

    def __init__(self, mail: Any, relay: Relay) -> None:
        super().__init__(mail)
        self._relay = relay

    def configure_host(self) -> Conversation:
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

    def _connected(self) -> Conversation:
        relay = self._relay
        place = (relay.server, relay.port, _own_name())
        if relay.use_ssl:
            return _Encrypted(*place, timeout=relay.timeout, context=relay.tls_context())
        return Conversation(*place, timeout=relay.timeout)

    @property
    def security(self) -> str:
        """In words: is it encrypted, until when is the certificate good, and who is logged in."""
        sock = self.host.sock
        tls = "without TLS"
        if isinstance(sock, ssl.SSLSocket):
            ends = (sock.getpeercert() or {}).get("notAfter", "")
            tls = f"{sock.version()}, with a certificate until {ends}"
        return f"{tls}, logged in as {self._relay.username}" if self._relay.username else f"{tls}, without a log-in"

    def quit(self) -> None:
        """Say goodbye, but don't wait long for a relay that is gone."""
        with suppress(smtplib.SMTPException, OSError):
            self.host.limit(1.0)
            self.host.quit()
        self.host.close()


class RelayMail(flask_mail.Mail):
    """Flask-Mail's, which would hard-code its own Connection."""

    def __init__(self, app: Flask, relay: Relay) -> None:
        super().__init__(app)
        self._relay = relay

    def connect(self) -> RelayConnection:
        return RelayConnection(self.state, self._relay)


def _own_name() -> str:
    """What EHLO says. Doesn't ask the DNS, as smtplib would: that can take seconds."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
