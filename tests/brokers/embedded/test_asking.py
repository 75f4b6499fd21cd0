"""Questions between processes of one machine: what is left behind, and paths that are long."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue

from runner.brokers.embedded.asking import ASKED, LONGEST_PATH, Asking, Listener, _bound, folder_of
from tests.waiting import TIMEOUT


def echoed(database: Path) -> bytes:
    """What a listener at `database` was asked, as whoever asks hears it."""
    heard: SimpleQueue[bytes] = SimpleQueue()
    listener = Listener(database, lambda question, _asker, answer: answer(question))
    listener.start()
    asking = Asking(database, b"who?", heard.put)
    asking.start()
    try:
        return heard.get(timeout=TIMEOUT)
    finally:
        asking.stop()
        listener.close()


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    assert echoed(tmp_path / "broker.db") == b"who?"
    assert list(folder_of(tmp_path / "broker.db").iterdir()) == []


def test_the_socket_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "broker.db")
    folder.mkdir()
    left = folder / f"killed{ASKED}"
    _bound(left).close()
    assert echoed(tmp_path / "broker.db") == b"who?"
    assert not left.exists()


def test_a_path_that_is_too_long_for_a_socket_makes_no_difference(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * LONGEST_PATH) / "broker.db"
    deep.parent.mkdir()
    assert folder_of(deep).parent != deep.parent
    assert echoed(deep) == b"who?"
    folder_of(deep).rmdir()


def test_a_listener_that_fails_hears_the_next_question(tmp_path: Path) -> None:
    asked: SimpleQueue[bytes] = SimpleQueue()

    def fail(question: bytes, *_: object) -> None:
        asked.put(question)
        raise ValueError("no such stage")

    listener = Listener(tmp_path / "broker.db", fail)
    listener.start()
    asking = Asking(tmp_path / "broker.db", b"who?", lambda _answer: None)
    asking.start()
    assert [asked.get(timeout=TIMEOUT) for _ in range(2)] == [b"who?", b"who?"]
    asking.stop()
    listener.close()
