"""Mail servers for tests: real SMTP on loopback, each on its own port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult

from tests.tcp_server import TcpServer

HANG_UP = "hang up"
SILENCE = "silence"


@dataclass(frozen=True)
class Endless:
    """An answer without an end: `first`, then `more` again and again, every `wait` seconds."""

    more: bytes
    first: bytes = b""
    wait: float = 0.0


Said = str | bytes | Endless
Answer = Said | Callable[[int], Said]
"""What to answer: an SMTP answer, HANG_UP or SILENCE; bytes, as they are; or a function of
how often it was asked, from 1."""


class ScriptedRelay(TcpServer):
    """A mail server that answers as told, and remembers the conversation.

    `answers` goes by verb: `CONNECT`, `EHLO`, `MAIL`, `RCPT`, `DATA`, and `.` for the end
    of the mail. What isn't told is answered as a good server would.
    """

    _GOOD: Mapping[str, str] = {
        "CONNECT": "220 ready",
        "EHLO": "250 hello",
        "DATA": "354 go ahead",
        ".": "250 2.0.0 taken",
        "QUIT": "221 bye",
    }

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers = dict(answers or {})
        self.said: list[str] = []
        self.mails: list[bytes] = []
        """Every mail that came in whole, whatever was answered to it."""
        self.sent = 0
        """Bytes of answers without an end that a client has let in."""
        self._cut: tuple[bytes, ...] = ()
        self._asked: dict[str, int] = {}
        super().__init__()

    def verbs(self) -> list[str]:
        return [line.split(" ", 1)[0].split(":", 1)[0].upper() for line in self.said]

    def wait(self, seconds: float) -> None:
        """Take so long over an answer; no longer than the server lives."""
        self.over.wait(seconds)

    def cut_after(self, *answers: bytes) -> None:
        """Hang up after these answers."""
        self._cut = answers

    def talk(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            if not self._answer(connection, "CONNECT"):
                return
            for line in lines:
                command = line.decode("utf-8", "replace").rstrip("\r\n")
                self.said.append(command)
                verb = command[:4].upper()
                answer = self._answer(connection, verb)
                if verb == "DATA" and "354 " in answer:
                    self.mails.append(_mail(lines))
                    answer = self._answer(connection, ".")
                if not answer or verb == "QUIT":
                    return

    def _answer(self, connection: socket.socket, verb: str) -> str:
        """What was answered; empty if the connection is over."""
        self._asked[verb] = self._asked.get(verb, 0) + 1
        answer = self.answers.get(verb, self._GOOD.get(verb, "250 2.0.0 ok"))
        text = answer(self._asked[verb]) if callable(answer) else answer
        if isinstance(text, Endless):
            connection.sendall(text.first)
            while not self.over.wait(text.wait):
                connection.sendall(text.more)
                self.sent += len(text.more)
        if isinstance(text, bytes):
            connection.sendall(text)
            return "" if text in self._cut else text.decode("latin-1") or " "
        if text == SILENCE:
            self.over.wait()
        if text in (SILENCE, HANG_UP) or isinstance(text, Endless):
            return ""
        connection.sendall("".join(f"{line}\r\n" for line in text.splitlines()).encode())
        return "" if text.startswith("421") else text


def _mail(lines: Any) -> bytes:
    mail = b""
    for line in lines:
        if line == b".\r\n":
            break
        mail += line.removeprefix(b".")
    return mail


class Relay:
    """aiosmtpd: a mail server that keeps what it gets. `tls` offers STARTTLS, or with
    `from_the_first_byte` speaks nothing but TLS; `login` is the one user name and
    password that it takes."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        from_the_first_byte: bool = False,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.mails: list[bytes] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.logins: list[tuple[str, str]] = []
        """Every user name and password that a client has shown, right or wrong."""
        self._login = login
        self._options: dict[str, Any] = {"auth_required": login is not None, "authenticator": self._authenticate}
        if tls is not None and not from_the_first_byte:
            self._options |= {"tls_context": tls, "require_starttls": True}
        else:
            self._options["auth_require_tls"] = False
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(listener, tls if from_the_first_byte else None))
        self._thread.start()

    def parsed(self) -> list[EmailMessage]:
        return [message_from_bytes(mail, policy=policy.default) for mail in self.mails]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(self._protocol, sock=listener, ssl=context))
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it takes TLS from the first byte for none at all
            return SMTP(self, hostname="relay.test", loop=self._loop, **self._options)

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        shown = (data.login.decode(), data.password.decode())
        self.logins.append(shown)
        return AuthResult(success=shown == self._login, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope.content)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        return "250 2.0.0 taken"
