"""Who is alive, and who isn't any more: shown by locks that others keep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.ledger.database import Database
from runner.ledger.holders import Holders, LockedFiles, holders_of
from tests.waiting import wait_until

PROGRAM = """
import sys, time
from runner.ledger.holders import holders_of
holders = holders_of(sys.argv[1])
holders.appear()
print(holders.token, flush=True)
time.sleep(600)
"""


@pytest.fixture
def ours(ledger_url: str) -> Iterator[Holders]:
    holders = holders_of(ledger_url)
    holders.appear()
    yield holders
    holders.vanish()


@pytest.fixture
def other(ledger_url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that is alive."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, ledger_url], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def alive(url: str, holders: Holders, token: str) -> bool:
    database = Database(url)
    try:
        with database.connection() as connection:
            return holders.alive(token, connection)
    finally:
        database.close()


def token_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def is_dead(url: str, holders: Holders, token: str) -> bool:
    """A PostgreSQL that has just started believes nobody dead."""
    return not alive(url, holders, token)


def test_this_process_is_alive_and_nobody_without_a_name_is(ledger_url: str, ours: Holders) -> None:
    assert alive(ledger_url, ours, ours.token)
    assert not alive(ledger_url, ours, "")


def test_a_process_is_alive_until_it_is_killed_even_while_it_is_stopped(
    ledger_url: str, ours: Holders, other: subprocess.Popen[str]
) -> None:
    token = token_of(other)
    other.send_signal(signal.SIGSTOP)
    assert alive(ledger_url, ours, token)
    other.kill()
    wait_until(lambda: is_dead(ledger_url, ours, token))


def test_one_that_holds_nothing_any_more_is_dead(ledger_url: str, ours: Holders) -> None:
    second = holders_of(ledger_url)
    second.appear()
    assert alive(ledger_url, ours, second.token)
    second.vanish()
    wait_until(lambda: is_dead(ledger_url, ours, second.token))


def test_a_file_of_the_dead_is_removed_by_the_next(tmp_path: Path) -> None:
    dead, folder = LockedFiles(tmp_path / "run"), tmp_path / "run"
    dead.appear()
    dead.let_go()  # as the kernel does
    second = LockedFiles(folder)
    second.appear()
    assert [file.stem for file in folder.iterdir()] == [second.token]
    second.vanish()
    assert not folder.exists()


def test_a_forked_child_does_not_keep_its_parent_alive(tmp_path: Path) -> None:
    first, second = LockedFiles(tmp_path), LockedFiles(tmp_path)
    first.appear()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read, 1)
        os._exit(0)
    first.let_go()
    try:
        wait_until(lambda: not second.alive(first.token))
    finally:
        os.write(write, b"\0")
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_a_process_whose_lock_postgresql_has_lost_locks_again_and_believes_nobody_dead_at_first(
    ledger_url: str, ours: Holders
) -> None:
    other = holders_of(ledger_url)
    wait_until(lambda: is_dead(ledger_url, ours, "1"))
    database = Database(ledger_url)
    with database.connection() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runner holder'"
        )
    database.close()
    wait_until(lambda: is_dead(ledger_url, other, ours.token))

    def is_back() -> bool:
        ours.appear()
        return alive(ledger_url, other, ours.token)

    wait_until(is_back)
    assert alive(ledger_url, ours, "1"), "it may lock again, too"
