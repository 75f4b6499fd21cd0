"""The file itself: opened, explained when it can't be, kept small."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from runner.brokers.base import Depth
from runner.brokers.embedded import file, service
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.errors import BrokerSetupError, BrokerUnavailableError
from runner.message import Delivery
from tests.brokers.embedded.conftest import Opener
from tests.brokers.plans import WORK, Collector, depth, to, topology
from tests.waiting import wait_until


def written(folder: Path) -> bytes:
    """All that is in the broker's files, read by another program: to close them here would drop SQLite's locks."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout


class Settling(Collector):
    """Handles whatever comes, without a result."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        super().__init__()
        self._broker = broker

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._broker.settle(delivery, [])


def test_nothing_is_left_in_the_files_of_a_message_that_is_settled(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    payloads = [b"4111111111111111" * times for times in (1, 20, 5_000)]
    broker.publish([to(WORK, payload) for payload in payloads * 200], timeout=30)
    assert b"4111111111111111" in written(path.parent)
    broker.consume(WORK, 50, Settling(broker))
    wait_until(lambda: b"4111111111111111" not in written(path.parent))


def test_what_a_killed_process_has_left_in_the_files_goes_with_the_next_start(
    open_broker: Opener, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TICK", 600.0)
    broker = open_broker()
    broker.publish([to(WORK, b"4111111111111111") for _ in range(500)], timeout=30)
    broker.consume(WORK, 50, Settling(broker))
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    copy = tmp_path / "as after SIGKILL"
    copy.mkdir()
    for suffix in ("", "-wal"):
        subprocess.run(["cp", f"{path}{suffix}", copy], check=True)
    assert b"4111111111111111" in written(copy)
    monkeypatch.undo()
    with closing(EmbeddedBroker(copy / path.name, "test")) as next_start:
        next_start.start(topology(), timeout=30)
        wait_until(lambda: b"4111111111111111" not in written(copy))


def test_a_reader_of_the_file_holds_nobody_up(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM message").fetchone()
        for _ in range(3):
            broker.publish([to(WORK)], timeout=service.TICK + 1)
            rung = depth(broker)
        assert rung.ready == 3


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_no_other_user_may_read_what_is_made(tmp_path: Path) -> None:
    path = tmp_path / "made" / "here" / "broker.db"
    with closing(EmbeddedBroker(path, "test")) as broker:
        broker.start(topology(), timeout=30)
        broker.publish([to(WORK)], timeout=30)
        made = [tmp_path / "made", *(tmp_path / "made").rglob("*")]
        assert {"broker.db", "broker.db-wal", "broker.db-shm", "broker.db.run", "write.lock"} <= {f.name for f in made}
        assert [str(file) for file in made if file.stat().st_mode & 0o077] == []


@pytest.mark.usefixtures("usual_umask")
def test_a_file_that_everybody_may_read_is_closed_to_others_but_not_to_its_group(path: Path) -> None:
    with closing(EmbeddedBroker(path, "test")) as broker:
        broker.start(topology(), timeout=30)
    path.chmod(0o664)
    with closing(EmbeddedBroker(path, "test")) as broker:
        broker.start(topology(), timeout=30)
        assert [path.with_name(path.name + suffix).stat().st_mode & 0o777 for suffix in ("", "-wal")] == [0o660] * 2


def test_the_file_gets_small_again_after_a_backlog(open_broker: Opener, path: Path) -> None:
    broker = open_broker()
    broker.publish([to(WORK, bytes(4096)) for _ in range(5000)], timeout=30)
    large = path.stat().st_size + path.with_name("broker.db-wal").stat().st_size
    assert large > 20_000_000
    broker.consume(WORK, 1000, Settling(broker))
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


def test_a_file_that_is_not_a_database_is_left_alone(path: Path) -> None:
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


def test_a_folder_instead_of_the_file_is_reported(path: Path) -> None:
    path.mkdir()
    assert refusal(path).startswith("is a folder")


def test_a_folder_that_can_not_be_made_is_reported(tmp_path: Path) -> None:
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


def test_a_file_that_can_only_be_read_is_reported() -> None:
    with nobody() as folder:
        path = folder / "broker.db"
        broker = EmbeddedBroker(path, "test")
        broker.start(topology(), timeout=30)
        broker.close()
        path.chmod(0o444)
        assert "make the file and its folder writable" in refusal(path)


def test_a_folder_that_can_only_be_read_is_reported() -> None:
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
