"""A pipeline file to run commands on; a running mailbox, and the folder in which it keeps its mails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.mailbox.server import MailboxServer
from tests.commands.prompt import PIPELINE, SCHEMA
from tests.mails import ANYWHERE
from tests.pipelines import write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, PIPELINE, {"payment.json": SCHEMA})


@pytest.fixture
def remembering(file: Path) -> Path:
    """The same with a ledger."""
    file.write_text(f"{file.read_text()}\nledger: sqlite:ledger.db\n")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "mailbox"


@pytest.fixture
def server(folder: Path) -> Iterator[MailboxServer]:
    with MailboxServer(ANYWHERE, folder) as server:
        yield server
