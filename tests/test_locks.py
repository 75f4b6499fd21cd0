"""Locks that live exactly as long as their process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from runner.locks import WriteLock, forget, keep_from_children, try_lock


class Held:
    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)
        assert try_lock(self.file)
        keep_from_children(self)

    def let_go(self) -> None:
        os.close(self.file)
        forget(self)


def is_locked(path: Path) -> bool:
    file = os.open(path, os.O_RDWR)
    try:
        return not try_lock(file)
    finally:
        os.close(file)


def test_a_lock_belongs_to_one_process_until_it_lets_go(tmp_path: Path) -> None:
    held = Held(tmp_path / "a.lock")
    assert is_locked(tmp_path / "a.lock")
    held.let_go()
    assert not is_locked(tmp_path / "a.lock")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    held = Held(tmp_path / "a.lock")
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        os.write(told, b"!")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    held.let_go()
    assert not is_locked(tmp_path / "a.lock"), "the child lives, and has a copy of the descriptor"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for end in (ready, told):
        os.close(end)


def test_who_waits_for_a_time_only_is_told_that_others_write(tmp_path: Path) -> None:
    first, second = WriteLock(tmp_path / "write"), WriteLock(tmp_path / "write")
    assert first.acquire()
    assert not second.acquire(timeout=0.01), "another process"
    assert not first.acquire(timeout=0.01), "another thread"
    first.release()
    assert second.acquire(timeout=0.01)
    second.release()
