"""The development mailbox: an SMTP server that keeps every mail, and ways to read them.

Mails lie in a Maildir (one file each), which mail programs can open as well. Nothing
is ever sent on from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.policy
import errno
import itertools
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from runner.errors import RunnerError, StartError
from runner.pipeline import Address

if TYPE_CHECKING:
    from rich.console import RenderableType

log = logging.getLogger(__name__)

MOST_BYTES = 10 * 1024 * 1024
_BACKLOG = 512


# -- Keeping ----------------------------------------------------------------------


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
        _make_maildir(self._folder)
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


_counter = itertools.count()


def keep(folder: Path, content: bytes, *, sender: str, recipients: Iterable[str]) -> Path:
    """Write a mail into a Maildir: whole in `tmp`, then renamed into `new`, so that nobody
    ever reads half of one. The envelope goes on top, as a delivery agent puts it there.

    A Maildir that was removed is made again: that is how people empty a mailbox.
    """
    envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
    lines = "\n".join(envelope).encode("utf-8", "surrogateescape") + b"\n"
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    name = f"{seconds}.M{nanoseconds // 1000:06}P{os.getpid()}Q{next(_counter):08}.mailbox"
    written = folder / "tmp" / name
    mail = lines + content.replace(b"\r\n", b"\n")
    try:
        written.write_bytes(mail)
    except FileNotFoundError:
        _make_maildir(folder)
        written.write_bytes(mail)
    return written.rename(folder / "new" / name)


def _make_maildir(folder: Path) -> None:
    try:
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"mailbox: {folder} can't be made: {error.strerror}; set another mailbox.folder") from error


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


# -- Reading ------------------------------------------------------------------------


class NoMailError(RunnerError):
    """The mail that was asked for isn't there."""


@dataclass(frozen=True, slots=True)
class MailSummary:
    """A line of the list. `number` counts from 1, the newest; `date` is when it came in."""

    number: int
    file: Path
    date: datetime
    to: str
    subject: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, decoded. `text` and `html` are None where there is no such part."""

    file: Path
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    attachments: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The first header of that name, in any case; empty where there is none."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")


def list_mails(folder: Path, *, most: int | None = None) -> list[MailSummary]:
    """The mails in a Maildir, the newest first, `most` of them; none where there is no folder."""
    return [_summary(number, file) for number, file in enumerate(_files(folder)[:most], start=1)]


def read_mail(folder: Path, which: str | int = 1) -> Mail:
    """One mail: by its number in the list (1 is the newest), or by a part of its Message-ID,
    such as the payment's id. Raises NoMailError."""
    files = _files(folder)
    if not files:
        raise NoMailError(no_mail(folder))
    text = str(which).strip()
    if text.isdecimal() and len(text) < 10:
        if not 1 <= int(text) <= len(files):
            raise NoMailError(f"there is no mail {text}: {folder} has {len(files)}, and 1 is the newest")
        return _mail(files[int(text) - 1])
    found = next((file for file in files if text and text in _head(file).header("Message-ID")), None)
    if found is None:
        raise NoMailError(f"no mail in {folder} has {text!r} in its Message-ID")
    return _mail(found)


def no_mail(folder: Path) -> str:
    """What to say of a mailbox with nothing in it."""
    return f"no mail in {folder} yet; what is sent to the mailbox while the pipeline runs appears here"


def _files(folder: Path) -> list[Path]:
    """The newest first: a Maildir's file names begin with the time. A flag that a mail
    program has added after the colon doesn't count."""
    found = [Path(entry.path) for part in ("new", "cur") for entry in _entries(folder / part)]
    return sorted(found, key=lambda file: (_arrival(file), file.name), reverse=True)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise NoMailError(f"{folder} can't be read: {error.strerror}") from error


def _arrival(file: Path) -> int:
    seconds = file.name.partition(".")[0]
    return int(seconds) if seconds.isdecimal() and len(seconds) < 12 else 0


def _summary(number: int, file: Path) -> MailSummary:
    head = _head(file)
    to = head.header("Delivered-To") or head.header("To")
    return MailSummary(number, file, datetime.fromtimestamp(_arrival(file)).astimezone(), to, head.header("Subject"))


def _head(file: Path) -> Mail:
    return Mail(file, _headers(BytesHeaderParser(policy=email.policy.default).parsebytes(_bytes(file))), None, None)


def _mail(file: Path) -> Mail:
    message = BytesParser(policy=email.policy.default).parsebytes(_bytes(file))
    assert isinstance(message, EmailMessage)
    attachments = tuple(_plain(part.get_filename() or part.get_content_type()) for part in _attachments(message))
    return Mail(file, _headers(message), _body(message, "plain"), _body(message, "html"), attachments)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NoMailError(f"{file} can't be read: {error.strerror}") from error


def _headers(message: Message) -> tuple[tuple[str, str], ...]:
    return tuple((name, _plain(_decoded(name, value))) for name, value in message.raw_items())


def _decoded(name: str, value: Any) -> str:
    """The header's text, or what stands there where the email package can't follow it."""
    try:
        return str(email.policy.default.header_fetch_parse(name, value))
    except Exception:  # noqa: BLE001 - IndexError, ValueError, … on headers that no standard allows
        return str(value)


def _body(message: EmailMessage, kind: str) -> str | None:
    try:
        part = message.get_body((kind,))
        return None if part is None else str(part.get_content())
    except Exception:  # noqa: BLE001 - KeyError, LookupError, …: a part in a form or charset that isn't known
        return None


def _attachments(message: EmailMessage) -> list[Any]:
    try:
        return list(message.iter_attachments())
    except Exception:  # noqa: BLE001 - as above
        return []


def _plain(text: str) -> str:
    """On one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


# -- Showing ---------------------------------------------------------------------------
# rich is imported where it is needed: the server doesn't, and it takes 60 ms.


def render_list(folder: Path, *, most: int = 100) -> str:
    """The newest mails as a table for the terminal, or a sentence where there are none."""
    count = len(_files(folder))
    if count == 0:
        return no_mail(folder)
    table = _rendered(_table(list_mails(folder, most=most)))
    return table + (f"\n… and {count - most} older ones in {folder}" if count > most else "")


def render_mail(folder: Path, which: str | int = 1) -> str:
    """One mail for the terminal: headers and text; of the HTML part only that there is one.
    `which` is as in `read_mail`. Raises NoMailError."""
    return _rendered(_sheet(read_mail(folder, which)))


def _rendered(what: RenderableType) -> str:
    """As wide as the terminal, and in colour if it is one; wide where the output goes to a program."""
    from rich.console import Console

    at_terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if at_terminal else _WIDTH_FOR_PROGRAMS)
    with console.capture() as capture:
        console.print(what)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())


def _table(mails: Iterable[MailSummary]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("Came in", no_wrap=True)
    table.add_column("To")
    table.add_column("Subject")
    for mail in mails:
        # Texts that don't wrap in columns that may: rich then narrows these two, and only these.
        cells = (Text(text, no_wrap=True, overflow="ellipsis") for text in (mail.to, mail.subject))
        table.add_row(str(mail.number), f"{mail.date:%Y-%m-%d %H:%M:%S}", *cells)
    return table


_WIDTH_FOR_PROGRAMS = 160
_SHOWN = ("From", "To", "Reply-To", "Date", "Subject", "Message-ID", "Auto-Submitted")


def _sheet(mail: Mail) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    headers = Table.grid(padding=(0, 2))
    for name in _SHOWN:
        if value := mail.header(name):
            headers.add_row(Text(name, style="dim"), Text(value, style="bold" if name == "Subject" else ""))
    parts = [name for name, part in (("text", mail.text), ("HTML", mail.html)) if part is not None]
    parts += [f"attachment {name}" for name in mail.attachments]
    headers.add_row(Text("Parts", style="dim"), Text(", ".join(parts) or "none"))
    body = "" if mail.text is None else "\n".join(_plain(line) for line in mail.text.splitlines())
    return Group(headers, Text(), Text(body.rstrip()), Text(), Text(str(mail.file), style="dim", overflow="fold"))
