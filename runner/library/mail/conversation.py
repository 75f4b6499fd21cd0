"""An SMTP conversation that ends: its time and what it reads are limited, whatever the server does.

smtplib limits one read and one line. A server that sends a byte now and then, or one line of
an answer after another, would hold up a stage forever.

Left out: what an answer means for a mail.
"""

from __future__ import annotations

import re
import smtplib
import socket
import time
from collections.abc import Sequence
from typing import Any

from runner.library.mail.answers import one_line

MOST_BYTES = 64 * 1024
"""Bytes of answers, to one mail or to opening the conversation: good servers send about 1 KiB."""
LONGEST_LINE = 8 * 1024
"""RFC 5321, section 4.5.3.1.5, allows 512 bytes."""
END_OF_DATA = 10 * 60.0
"""Seconds that a server may take over a complete mail (RFC 5321, section 4.5.3.2.6): it may scan
it, or pass it on before it answers. A client that gives up sooner sends the same mail again."""

_CODE = re.compile(rb"[0-9]{3}(?![^ \r-])")


class BrokenAnswerError(smtplib.SMTPServerDisconnected):
    """The conversation ended in the middle of an answer. `code` is how the answer began, -1 if it didn't."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.code = code


class Conversation(smtplib.SMTP):
    """smtplib's, but `timeout` (seconds) covers the whole opening, and each mail up to its end."""

    data_begun = False
    """Whether the server has asked for the content: until then, a mail that failed was certainly not sent."""
    answered = ""
    """What the server said when it took the last mail."""
    _ends = 0.0
    _unread = 0
    _received = b""

    def limit(self, seconds: float) -> None:
        """From now on, the server has `seconds` and MOST_BYTES for everything that it says."""
        self._ends = time.monotonic() + seconds
        self._unread = MOST_BYTES

    # -- One mail --------------------------------------------------------------------

    def sendmail(  # type: ignore[override]  # of smtplib's arguments, what Flask-Mail gives
        self, from_addr: str, to_addrs: Sequence[str], msg: bytes, mail_options: Any = (), rcpt_options: Any = ()
    ) -> None:
        """One mail to one recipient. Any 2xx is a yes (RFC 5321, section 4.2.1), not only smtplib's 250.

        Raises SMTPException, and OSError.
        """
        (recipient,) = to_addrs
        self.data_begun = False
        self.limit(self.timeout)
        size = [f"size={len(msg)}"] if self.has_extn("size") else []
        code, answer = self.mail(from_addr, [*size, *mail_options])
        if not _is_yes(code):
            raise smtplib.SMTPSenderRefused(code, answer, from_addr)
        code, answer = self.rcpt(recipient, rcpt_options)
        if not _is_yes(code):
            self._begin_anew(code)
            raise smtplib.SMTPRecipientsRefused({recipient: (code, answer)})
        code, answer = self.data(msg)
        if not _is_yes(code):
            raise smtplib.SMTPDataError(code, answer)
        self.answered = one_line(f"{code} {answer.decode('utf-8', 'replace')}")

    def _begin_anew(self, code: int) -> None:
        """Make the conversation fit for the next mail, or close it. Whatever comes of that, the recipient
        was refused: many a server hangs up after it has said so."""
        try:
            is_fit = 400 <= code < 600 and code != 421 and _is_yes(self.rset()[0])
        except (smtplib.SMTPException, OSError):
            is_fit = False
        if not is_fit:
            self.close()

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the content, and read the answer. A yes that was cut off still counts: the server has
        the mail, and would get it twice."""
        code, answer = self.docmd("data")
        if code != 354:
            raise smtplib.SMTPDataError(code, answer)
        self.data_begun = True
        self._received = b""
        self.limit(END_OF_DATA)
        end = b".\r\n" if msg.endswith(b"\r\n") else b"\r\n.\r\n"
        self.send(re.sub(rb"(?m)^\.", b"..", msg) + end)
        try:
            return self.getreply()
        except BrokenAnswerError as error:
            if _is_yes(error.code):
                return error.code, b""
            raise

    # -- Within the limit --------------------------------------------------------------

    def getreply(self) -> tuple[int, bytes]:
        """The code (-1: none) and the text of the next answer. Raises BrokenAnswerError.

        A 1xx is no answer yet: no command of ours allows one (RFC 5321, section 4.2.1). Where a server says
        it all the same, we wait for what it means to answer: a mail that it still works on would be sent twice.
        """
        while _is_preliminary((answer := self._reply())[0]):
            pass
        return answer

    def _reply(self) -> tuple[int, bytes]:
        """As `getreply`, whatever the code."""
        code, text = -1, []
        while True:
            try:
                line = self._line()
            except OSError as error:
                begun = _code(self._received)
                self.close()
                reason = f"Connection unexpectedly closed: {error}"
                raise BrokenAnswerError(reason, code if begun < 0 else begun) from error
            code = _code(line)
            text.append((line[4:] if code >= 0 else line).strip())
            if code < 0 or line[3:4] != b"-":
                return code, b"\n".join(text)

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command. What came before it can't be the answer to it, whatever it says."""
        self._received = b""
        super().putcmd(cmd, args)

    def send(self, s: Any) -> None:
        """Raises SMTPServerDisconnected."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("Server not connected")
        rest = memoryview(s.encode("ascii") if isinstance(s, str) else s)
        try:
            while rest:
                self.sock.settimeout(self._left())
                rest = rest[self.sock.send(rest) :]
        except OSError as error:
            self.close()
            raise smtplib.SMTPServerDisconnected(f"Server not connected: {error}") from error

    def starttls(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        """Forget what was received in the clear: anybody may have sent it."""
        answer = super().starttls(*args, **options)
        self._received = b""
        return answer

    def close(self) -> None:
        super().close()
        self._received = b""

    def _line(self) -> bytes:
        """The next line, without its end. Raises OSError if the limit is reached or nothing more comes."""
        while True:
            line, end, rest = self._received.partition(b"\n")
            if len(line) > LONGEST_LINE:
                raise OSError(f"a line of the answer is longer than {LONGEST_LINE} bytes")
            if end:
                self._received = rest
                return line
            self._received += self._some()

    def _some(self) -> bytes:
        if self.sock is None:
            raise OSError("it was closed")
        if self._unread <= 0:
            raise OSError(f"the answers are longer than {MOST_BYTES} bytes")
        self.sock.settimeout(self._left())
        received = self.sock.recv(min(self._unread, LONGEST_LINE))
        if not received:
            raise OSError("the server hung up")
        self.sock.settimeout(max(self._ends - time.monotonic(), 0.001))  # for a TLS handshake, if it comes next
        self._unread -= len(received)
        return received

    def _left(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connects. Each address of the host gets its share of the time."""
        self.limit(timeout)
        error = OSError(f"{host} has no address")
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for left, (family, kind, protocol, _, place) in zip(range(len(places), 0, -1), places, strict=True):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(self._left() / left)
                connection.connect(place)
                connection.settimeout(self._left())  # for a TLS handshake at once
            except OSError as reason:
                connection.close()
                error = reason
            else:
                # A mail is longer than a packet: its end shouldn't wait for the relay's delayed ACK.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
        raise error


def _code(line: bytes) -> int:
    return int(line[:3]) if _CODE.match(line) else -1


def _is_preliminary(code: int) -> bool:
    return 100 <= code < 200


def _is_yes(code: int) -> bool:
    return 200 <= code < 300
