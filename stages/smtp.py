"""Flask-Mail made fit for work that must not be lost: verified TLS, time-outs, a kept
connection that notices its death, and each SMTP answer turned into what it means.

Importing this file imports Flask, which takes a while: whoever only wants to check
settings shouldn't.
"""

from __future__ import annotations

import binascii
import re
import secrets
import smtplib
import socket
import ssl
import time
from contextlib import suppress
from email import policy
from email.mime.nonmultipart import MIMENonMultipart
from typing import Any

import flask_mail
from flask import Flask

from runner import Pause, Reject, Retry
from stages.relay import Relay

_IDLE = 30.0
"""Seconds after which a kept connection isn't trusted: a firewall may have dropped it
without a word, and a command would wait for the whole time-out."""
_TRY_AGAIN = 10.0
_OUT_OF_ORDER = 60.0
_TOO_MANY_LOGINS = 15 * 60.0
_DAILY_LIMIT = 6 * 3600.0
"""Gmail's is over a rolling day: with the usual five attempts, the last comes a day later."""


# -- A mail --------------------------------------------------------------------------


class _Wire(policy.Compat32):
    """Headers are written as they are, which is in ASCII: folded, a long Message-ID would
    stand below its name, where some servers miss it. (And folding is slow.)"""

    linesep = "\r\n"

    def fold_binary(self, name: str, value: str) -> bytes:
        lines = "\r\n ".join(line.strip() for line in value.splitlines())
        return f"{name}: {lines}\r\n".encode("ascii")


_WIRE = _Wire()


class Email(flask_mail.Message):
    """A mail in quoted-printable: every relay takes it, however long its lines are."""

    def __init__(self, *, sender: tuple[str, str], reply_to: tuple[str, str] | None, headers: dict[str, str]) -> None:
        super().__init__(sender=sender, reply_to=reply_to, extra_headers=headers)
        self.sender = sender  # as it was: Flask-Mail makes one text of it, and a comma in the name parts that

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMENonMultipart:  # type: ignore[override]
        """In quoted-printable, encoded by C: the email package's own takes a tenth of a mail's time."""
        part = MIMENonMultipart("text", subtype, charset="utf-8")
        part["Content-Transfer-Encoding"] = "quoted-printable"
        part.set_payload(binascii.b2a_qp((text or "").encode(), istext=True).decode("ascii"))
        return part

    def as_bytes(self) -> bytes:
        """As Flask-Mail composes it, in less than half the time: by the policy `SMTP` each
        header would be parsed again, and a new regular expression look for each boundary."""
        mime = self._message()
        mime.policy = _WIRE
        boundary = secrets.token_hex(12)
        for depth, part in enumerate(mime.walk()):
            if part.is_multipart():
                part.set_boundary(f"{boundary}-{depth}")
        return mime.as_bytes()


# -- A connection ----------------------------------------------------------------------


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


# -- An outbox: a connection that is kept ---------------------------------------------


class Outbox:
    """Sends mails to one relay over one connection; of one thread at a time."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._app = Flask("stages.smtp", static_folder=None)
        self._mail = Mail(self._app, relay)
        self._connection: Connection | None = None
        self._used = 0.0

    def send(self, email: Email) -> None:
        """Give `email`, which has one recipient, to the relay; when this returns it has taken it.

        Raises Retry, Reject (bounced) or Pause (it's not this mail's fault).
        """
        with self._app.app_context():  # Flask-Mail wants one; it costs 5 µs, a mail 500
            if self._send_over_kept(email):
                return
            self._connect()
            try:
                self._transfer(email)
            except (smtplib.SMTPException, OSError) as error:
                raise self._order(error) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.quit()
            self._connection = None

    def _send_over_kept(self, email: Email) -> bool:
        """Whether the kept connection was good for it. If it has died before DATA, nothing
        of the mail was sent, and it may go over a new one at once."""
        if self._connection is None or time.monotonic() - self._used > _IDLE:
            self._drop()
            return False
        self._connection.host.data_begun = False
        try:
            self._transfer(email)
        except (smtplib.SMTPException, OSError) as error:
            if not self._connection.host.data_begun and _is_goodbye(error):
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
        except (smtplib.SMTPException, OSError, ValueError) as error:  # ValueError: a ca_file that has gone
            raise cannot_connect(error, self._relay) from error
        self._connection = connection

    def _order(self, error: Exception) -> Retry | Reject | Pause:
        """What to do about a mail that failed; the connection is kept only where it is known to be clean."""
        assert self._connection is not None
        begun = self._connection.host.data_begun
        if not isinstance(error, smtplib.SMTPRecipientsRefused) or _is_goodbye(error):
            self._drop()
        else:
            self._used = time.monotonic()
        return cannot_send(error, self._relay, data_begun=begun)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.host.close()
            self._connection = None


# -- What an answer means ----------------------------------------------------------------


def cannot_connect(error: Exception, relay: Relay) -> Pause:
    """The stage can't work, and no mail is to blame: none was even named to the relay."""
    code, answer = _answer(error)
    match error:
        case ssl.SSLCertVerificationError():
            reason = f"its certificate is not to be trusted: {error.verify_message}. Nothing was sent. "
            return Pause(f"{relay}: {reason}Correct server, or name its authority by ca_file.", delay=_OUT_OF_ORDER)
        case smtplib.SMTPAuthenticationError() if code >= 500:
            hint = "Correct username and password (Gmail wants an app password)."
            return Pause(f"{relay} refuses the log-in: {answer}. {hint}", delay=_OUT_OF_ORDER)
        case smtplib.SMTPAuthenticationError() if "too many" in answer.lower():
            return Pause(f"{relay} wants fewer log-ins: {answer}", delay=_TOO_MANY_LOGINS)
        case smtplib.SMTPServerDisconnected() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Pause(f"{relay} broke off before a mail was begun: {error}", delay=_TRY_AGAIN)
        case smtplib.SMTPResponseException() if code < 500:
            return Pause(f"{relay} is not ready: {answer}", delay=_TRY_AGAIN)
        case ssl.SSLError() | smtplib.SMTPException():
            hint = "Check port, use_tls (STARTTLS, port 587), use_ssl (TLS at once, port 465) and username."
            return Pause(f"{relay}: {answer} {hint}", delay=_OUT_OF_ORDER)
        case _:
            return Pause(f"{relay} can't be reached: {answer}", delay=_TRY_AGAIN)


def cannot_send(error: Exception, relay: Relay, *, data_begun: bool) -> Retry | Reject | Pause:
    """What the failure of one mail means.

    Only what doesn't depend on the mail may pause the stage; otherwise one odd address
    could hold up all the others.
    """
    code, answer = _answer(error)
    if not isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused) or code < 0:
        return Retry(_lost(error, relay, data_begun))
    if answer.startswith(f"{code} 5.4.5 "):  # Gmail's daily limit: a 5xx, and yet temporary
        return Retry(f"{relay} takes no more mails today: {answer}", delay=_DAILY_LIMIT)
    if answer.startswith("454 4.7.0 "):
        return Retry(f"{relay} wants fewer log-ins: {answer}", delay=_TOO_MANY_LOGINS)
    if code in _NOT_LOGGED_IN:
        return Pause(f"{relay} wants a log-in or TLS: {answer}. Set username and password, and use_tls.")
    if code < 500:
        return Retry(f"{relay}: {answer}")
    if isinstance(error, smtplib.SMTPSenderRefused) and code != _TOO_LARGE:
        return Pause(f"{relay} refuses the sender: {answer}. Set default_sender to an address it may send for.")
    if _NO_RELAY.search(answer):  # the relay's rules or ours are wrong, perhaps only for some addresses
        return Retry(f"{relay} doesn't pass mail on for us: {answer}. Set username and password.")
    return Reject(f"bounced: {answer}")


_NO_RELAY = re.compile(r"\brelay(ing)?\b.*\b(denied|not (permitted|allowed)|prohibited)|unable to relay", re.IGNORECASE)
_NOT_LOGGED_IN = (530, 534, 535, 538)
_TOO_LARGE = 552


def _lost(error: Exception, relay: Relay, data_begun: bool) -> str:
    if data_begun:
        return f"{relay} gave no answer to a mail, which may have been sent ({error}); again, with the same Message-ID"
    return f"{relay} went away before the mail was sent: {error}"


def _is_goodbye(error: Exception) -> bool:
    """Whether the connection is over: cut, silent, or closed by the relay's 421."""
    if isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
        return _answer(error)[0] == 421
    return True


def _answer(error: Exception) -> tuple[int, str]:
    """The code (0: none) and the text of an SMTP answer, on one line."""
    text: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, text = error.smtp_code, error.smtp_error
    else:
        return 0, str(error)
    words = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return code, re.sub(r"[^ -~]+", " ", f"{code} {words}").strip()[:300]
