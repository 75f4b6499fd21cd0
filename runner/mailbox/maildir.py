"""Mails in a Maildir: one file each, which mail programs can open as well.

Left out: how a mail gets here (see `server`), and how it is shown.
"""

from __future__ import annotations

import contextlib
import email.policy
import itertools
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path
from typing import Any

from runner.errors import RunnerError, StartError
from runner.privacy.files import make_file, make_folder

# -- Keeping ----------------------------------------------------------------------

_counter = itertools.count()


def keep(folder: Path, content: bytes, *, sender: str, recipients: Iterable[str]) -> Path:
    """Write a mail into a Maildir: whole in `tmp`, then renamed into `new`, so that nobody
    ever reads half a mail. The envelope goes on top, where a delivery agent puts it.

    Recreates a Maildir that was removed: that is how people empty a mailbox.
    """
    envelope = [f"Return-Path: <{plain(sender)}>", *(f"Delivered-To: {plain(recipient)}" for recipient in recipients)]
    lines = "\n".join(envelope).encode() + b"\n"
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    name = f"{seconds}.M{nanoseconds // 1000:06}P{os.getpid()}Q{next(_counter):08}.mailbox"
    written = folder / "tmp" / name
    mail = lines + _with_unix_lines(content)
    try:
        _write(written, mail)
    except FileNotFoundError:
        make_maildir(folder)
        _write(written, mail)
    return written.rename(folder / "new" / name)


def _write(path: Path, mail: bytes) -> None:
    with open(make_file(path, os.O_EXCL), "wb") as file:  # noqa: PTH123 - it is a descriptor
        file.write(mail)


def _with_unix_lines(content: bytes) -> bytes:
    """In a mail whose lines end in CR LF, a CR or LF by itself ends none (RFC 5321, section 2.3.8). As
    mail programs think otherwise, one in a header could bring in another: a `Bcc:` by the Message-ID."""
    head, gap, body = content.partition(b"\r\n\r\n")
    if content.count(b"\r\n") > 1:  # Python's smtplib sends what has LF only as it is, with one CR LF at the end
        head = b"\n".join(re.sub(rb"[\r\n]+", b" ", line) for line in head.split(b"\r\n"))
    return head + (gap + body).replace(b"\r\n", b"\n")


def make_maildir(folder: Path) -> None:
    """Make the folder with its three parts. Raises StartError."""
    try:
        for part in ("tmp", "new", "cur"):
            make_folder(folder / part)
    except OSError as error:
        raise StartError(f"mailbox: {folder} can't be made: {error.strerror}; set another mailbox.folder") from error


# -- Reading ------------------------------------------------------------------------


class NoMailError(RunnerError):
    """The mail that was asked for isn't there."""


@dataclass(frozen=True, slots=True)
class MailSummary:
    """A line of the list. `number` counts from 1, the newest; `date` is when the mail came in."""

    number: int
    file: Path
    date: datetime
    to: str
    subject: str


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail, decoded. `text` and `html` are None if there is no such part."""

    file: Path
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    attachments: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The first header of that name, in any case; empty if there is none."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")


def count_mails(folder: Path) -> int:
    """How many mails there are; 0 if there is no folder."""
    return len(_files(folder))


def list_mails(folder: Path, *, most: int | None = None) -> list[MailSummary]:
    """Up to `most` mails of a Maildir, the newest first; none if there is no folder."""
    return [_summary(number, file) for number, file in enumerate(_files(folder)[:most], start=1)]


def read_mail(folder: Path, which: str | int = 1) -> StoredMail:
    """One mail: by its number in the list (1 is the newest), by the name of its file, or by a part of
    its Message-ID, such as the payment's id. Raises NoMailError."""
    files = _files(folder)
    if not files:
        raise NoMailError(no_mail(folder))
    text = str(which).strip()
    if text.isdecimal() and len(text) < 10:
        if not 1 <= int(text) <= len(files):
            raise NoMailError(f"there is no mail {text}: {folder} has {len(files)}, and 1 is the newest")
        return _mail(files[int(text) - 1])
    found = next((file for file in files if file.name == text), None) or next(
        (file for file in files if text and text in _head(file).header("Message-ID")), None
    )
    if found is None:
        raise NoMailError(f"no mail in {folder} has {text!r} in its Message-ID")
    return _mail(found)


def no_mail(folder: Path) -> str:
    """What to say about an empty mailbox."""
    return f"no mail in {folder} yet; what is sent to the mailbox while the pipeline runs appears here"


def _files(folder: Path) -> list[Path]:
    """The newest first: a Maildir's file names begin with the time. Flags that a mail program
    added after the colon don't count."""
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


def _head(file: Path) -> StoredMail:
    return StoredMail(
        file, _headers(BytesHeaderParser(policy=email.policy.default).parsebytes(_bytes(file))), None, None
    )


def _mail(file: Path) -> StoredMail:
    message = BytesParser(policy=email.policy.default).parsebytes(_bytes(file))
    assert isinstance(message, EmailMessage)
    attachments = tuple(plain(part.get_filename() or part.get_content_type()) for part in _attachments(message))
    return StoredMail(file, _headers(message), _body(message, "plain"), _body(message, "html"), attachments)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NoMailError(f"{file} can't be read: {error.strerror}") from error


def _headers(message: Message) -> tuple[tuple[str, str], ...]:
    return tuple((name, plain(_decoded(name, value))) for name, value in message.raw_items())


def _decoded(name: str, value: Any) -> str:
    """The header's text, or its raw value if the email package can't decode it."""
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


def plain(text: str) -> str:
    """On one line, without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else " " for c in text)
