"""`runner mail`: the development mailbox, as a list or a single mail.

rich is imported where it is needed: it takes 60 ms.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.commands.loading import PIPELINE_OPTION
from runner.config.loader import load
from runner.errors import RunnerError
from runner.mailbox.maildir import MailSummary, StoredMail, count_mails, list_mails, no_mail, plain, read_mail

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@PIPELINE_OPTION
@click.argument("which", required=False)
def mail(pipeline: Path, which: str | None) -> None:
    """List the development mailbox, or show one of its mails.

    WHICH is its number, or a part of its Message-ID, such as a payment's id.
    """
    mailbox = load(pipeline).pipeline.mailbox
    if mailbox is None:
        raise RunnerError(f"{pipeline} has no mailbox section")
    click.echo(render_mail(mailbox.folder, which) if which else render_list(mailbox.folder))


def render_list(folder: Path, *, most: int = 100) -> str:
    """The newest mails as a table for the terminal, or a sentence if there are none."""
    count = count_mails(folder)
    if count == 0:
        return no_mail(folder)
    table = _rendered(_table(list_mails(folder, most=most)))
    return table + (f"\n… and {count - most} older ones in {folder}" if count > most else "")


def render_mail(folder: Path, which: str | int = 1) -> str:
    """One mail for the terminal: headers and text. Of an HTML part it shows only that there is one.
    `which` is as in `read_mail`. Raises NoMailError."""
    return _rendered(_sheet(read_mail(folder, which)))


def _rendered(what: RenderableType) -> str:
    """As wide as the terminal, and in colour; wide, without colour, for a program."""
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
        # Text that doesn't wrap, in columns that may: rich then narrows these two columns, and only these.
        cells = (Text(text, no_wrap=True, overflow="ellipsis") for text in (mail.to, mail.subject))
        table.add_row(str(mail.number), f"{mail.date:%Y-%m-%d %H:%M:%S}", *cells)
    return table


_WIDTH_FOR_PROGRAMS = 160
_SHOWN = ("From", "To", "Reply-To", "Date", "Subject", "Message-ID", "Auto-Submitted")


def _sheet(mail: StoredMail) -> RenderableType:
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
    body = "" if mail.text is None else "\n".join(plain(line) for line in mail.text.splitlines())
    return Group(headers, Text(), Text(body.rstrip()), Text(), Text(str(mail.file), style="dim", overflow="fold"))
