"""The file itself: opened, explained when it can't be, kept small."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from runner.brokers.base import Depth
from runner.brokers.embedded import file
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.errors import BrokerSetupError, BrokerUnavailableError
from tests.brokers.embedded.conftest import Opener
from tests.brokers.plans import WORK, Collector, depth, to, topology
from tests.waiting import wait_until


def test_the_file_gets_small_again_after_a_backlog(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    broker.publish([to(WORK, bytes(4096)) for _ in range(5000)], timeout=30)
    large = path.stat().st_size + path.with_name("broker.db-wal").stat().st_size
    assert large > 20_000_000

    class Draining(Collector):
        def deliver(self, deliveries: object) -> None:
            for delivery in deliveries:  # type: ignore[attr-defined]
                broker.settle(delivery, [])

    broker.consume(WORK, 1000, Draining())
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    wait_until(lambda: path.stat().st_size < 5_000_000)


def refusal(path: Path) -> str:
    """What the operator is told when the broker can't be started there."""
    broker = EmbeddedBroker(path, "test")
    with pytest.raises(BrokerSetupError) as caught:
        broker.start(topology(), timeout=30)
    assert not broker.available
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("dear diary, " * 1000)
    assert refusal(path).startswith("not a SQLite database")
    assert path.read_text() == "dear diary, " * 1000
    assert list(path.parent.iterdir()) == [path]


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (name TEXT)")
    assert "belongs to another program" in refusal(path)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_of_a_newer_runner_is_left_alone(path: Path, open_broker: Opener) -> None:
    open_broker().close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    assert refusal(path).startswith("written by a newer runner (format 99")


def test_a_damaged_file_is_named_with_what_to_do(path: Path, open_broker: Opener) -> None:
    broker = open_broker()
    broker.publish([to(WORK, bytes(1000)) for _ in range(300)])
    broker.close()
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(os.urandom(20 * 4096))
    message = refusal(path)
    assert message.startswith("damaged")
    assert "sqlite3 broker.db .recover" in message


def test_a_folder_in_the_place_of_the_file_is_told(path: Path) -> None:
    path.mkdir()
    assert refusal(path).startswith("is a folder")


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")
    broker = EmbeddedBroker(tmp_path / "var" / "broker.db", "test")
    with pytest.raises(BrokerSetupError, match=f"^{tmp_path}/var/broker.db.run: "):
        broker.start(topology(), timeout=30)


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder to try things in as a user who isn't root."""
    with ExitStack() as undo:
        if os.geteuid() == 0:
            os.seteuid(65534)
            undo.callback(os.seteuid, 0)
        yield Path(undo.enter_context(tempfile.TemporaryDirectory()))


def test_a_file_that_can_only_be_read_is_told() -> None:
    with nobody() as folder:
        path = folder / "broker.db"
        broker = EmbeddedBroker(path, "test")
        broker.start(topology(), timeout=30)
        broker.close()
        path.chmod(0o444)
        assert "make the file and its folder writable" in refusal(path)


def test_a_folder_that_can_only_be_read_is_told() -> None:
    with nobody() as folder:
        folder.chmod(0o555)
        broker = EmbeddedBroker(folder / "broker.db", "test")
        with pytest.raises(BrokerSetupError, match="Permission denied"):
            broker.start(topology(), timeout=30)
        folder.chmod(0o777)


def test_a_file_that_another_program_locks_is_waited_for(
    open_broker: Opener, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY_TIMEOUT", 0.1)
    broker = open_broker()
    with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailableError, match="another program keeps it locked"):
            broker.publish([to(WORK)])
        assert not broker.available
    wait_until(lambda: broker.available)
    broker.publish([to(WORK)])
