"""The supervisor with small children, each run as a real program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.waiting import wait_until

PROGRAM = """
import logging, os, sys, time
from pathlib import Path
from runner.errors import StartError
from runner.events import Observer
from runner.observability.observers import attach
from runner.processes.supervisor import Child, Supervisor, Stop, rest

folder = Path(sys.argv[1])
logging.basicConfig(format="%(message)s")

def note(name, text):
    with (folder / "events").open("a") as events:
        events.write(f"{name} {text} {os.getpid()}\\n")

class Watching(Observer):
    def started(self, part, pid):
        self.note(f"{part} {pid} started")

    def stopped(self, part, pid, status, was_up, again):
        self.note(f"{part} {pid} stopped {status} {was_up} {again}")

    def note(self, text):
        with (folder / "told").open("a") as told:
            told.write(text + "\\n")

def steady(name):
    def run(supervision):
        supervision.up()
        note(name, "up")
        try:
            rest()
        finally:
            note(name, "stopping")
    return run

CHILDREN

sys.exit(Supervisor(children, shutdown_timeout=0.5, configure_child=lambda name: None,
                    on_up=lambda: note("all", "up"), events=attach([Watching()])).run())
"""

Run = Callable[[str], "Program"]


class Program:
    """A supervisor in a separate process, and what it and its children noted."""

    def __init__(self, children: str, folder: Path) -> None:
        self._events = folder / "events"
        self._told = folder / "told"
        source = PROGRAM.replace("CHILDREN", textwrap.dedent(children))
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, str(folder)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    @property
    def events(self) -> list[str]:
        """`name event`, in the order in which they happened."""
        return [" ".join(line.split()[:2]) for line in self._lines()]

    def pids(self, name: str) -> list[int]:
        return [int(line.split()[2]) for line in self._lines() if line.startswith(f"{name} up ")]

    @property
    def told(self) -> list[str]:
        """What an observer of the supervisor was told."""
        return self._told.read_text().splitlines()

    def _lines(self) -> list[str]:
        return self._events.read_text().splitlines() if self._events.exists() else []

    def end(self) -> tuple[int, str]:
        """Wait for the supervisor's end; its exit status and what it said."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Run]:
    started: list[Program] = []

    def run(children: str) -> Program:
        started.append(Program(children, tmp_path))
        return started[-1]

    yield run
    for one in started:
        one.process.kill()
        one.process.wait()
        assert one.process.stderr is not None
        one.process.stderr.close()


def _has_come_up(running: Program, name: str, times: int) -> bool:
    return len(running.pids(name)) == times


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_every_child_and_the_run_ends_well(program: Run, number: signal.Signals) -> None:
    running = program("children = [Child('a', steady('a')), Child('b', steady('b'))]")
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(number)
    assert running.end() == (0, "")
    assert {"a stopping", "b stopping"} <= set(running.events)


def test_what_others_need_is_stopped_after_them(program: Run) -> None:
    running = program("children = [Child('mailbox', steady('mailbox'), last=True), Child('worker', steady('worker'))]")
    wait_until(lambda: "all up" in running.events)
    running.process.terminate()
    running.end()
    assert running.events[-2:] == ["worker stopping", "mailbox stopping"]


def test_a_child_that_is_killed_is_started_again(program: Run) -> None:
    running = program("children = [Child('a', steady('a')), Child('b', steady('b'))]")
    wait_until(lambda: "all up" in running.events)
    for times in (1, 2):
        os.kill(running.pids("a")[-1], signal.SIGKILL)
        wait_until(partial(_has_come_up, running, "a", times + 1))
    running.process.terminate()
    status, said = running.end()
    assert status == 0
    assert "a was killed by SIGKILL; restarting it in 0.25 s" in said
    assert "a was killed by SIGKILL; restarting it in 0.5 s" in said
    assert len(running.pids("b")) == 1


def test_an_observer_sees_each_child_that_starts_and_stops(program: Run) -> None:
    running = program("children = [Child('a', steady('a'))]")
    wait_until(lambda: "all up" in running.events)
    os.kill(running.pids("a")[0], signal.SIGKILL)
    wait_until(lambda: "started" in running.told[-1] and len(running.told) == 3)
    wait_until(lambda: len(running.pids("a")) == 2)  # the child says so itself, later than the supervisor
    running.process.terminate()
    running.end()
    first, second = running.pids("a")
    assert running.told == [
        f"a {first} started",
        f"a {first} stopped -9 True 0.25",
        f"a {second} started",
        f"a {second} stopped 0 True None",
    ]


def test_a_child_that_fails_later_is_started_again(program: Run) -> None:
    running = program("""
        def fail(supervision):
            supervision.up()
            note('a', 'up')
            if not (folder / 'failed').exists():
                (folder / 'failed').touch()
                raise ValueError('once')
            rest()
        children = [Child('a', fail)]
    """)
    wait_until(lambda: len(running.pids("a")) == 2)
    running.process.terminate()
    status, said = running.end()
    assert status == 0
    assert "ValueError: once" in said
    assert "a ended with status 1; restarting it" in said


def test_a_child_that_cannot_start_ends_the_run_with_its_reason(program: Run) -> None:
    running = program("""
        def refuse(supervision):
            while 'b up' not in (folder / 'events').read_text() if (folder / 'events').exists() else True:
                time.sleep(0.01)
            raise StartError('port 5000 is taken; stop the other program')
        children = [Child('a', refuse), Child('b', steady('b'))]
    """)
    assert running.end() == (1, "port 5000 is taken; stop the other program\n")
    assert "b stopping" in running.events
    assert "all up" not in running.events


@pytest.mark.parametrize("status", [0, 3])
def test_no_exit_status_ends_the_run(program: Run, status: int) -> None:
    running = program(f"""
        def leave(supervision):
            supervision.up()
            note('a', 'up')
            if not (folder / 'left').exists():
                (folder / 'left').touch()
                os._exit({status})
            rest()
        children = [Child('a', leave)]
    """)
    wait_until(lambda: len(running.pids("a")) == 2)
    running.process.terminate()
    end, said = running.end()
    assert end == 0
    assert f"a ended with status {status}; restarting it in 0.25 s" in said


def test_a_child_that_asks_to_be_replaced_is_at_once(program: Run) -> None:
    running = program("""
        def make_way(supervision):
            supervision.up()
            note('a', 'up')
            if len((folder / 'events').read_text().splitlines()) > 3:
                rest()
            supervision.replace()
        children = [Child('a', make_way)]
    """)
    wait_until(lambda: len(running.pids("a")) >= 3)
    running.process.terminate()
    assert running.end()[0] == 0
    assert {line.split()[-1] for line in running.told if "stopped" in line} == {"0.0", "None"}


def test_a_child_that_does_not_stop_is_killed(program: Run) -> None:
    running = program("""
        def stubborn(supervision):
            supervision.up()
            note('a', 'up')
            while True:
                try:
                    rest()
                except Stop:
                    pass
        children = [Child('a', stubborn)]
    """)
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGINT)  # a second Ctrl-C: now
    status, said = running.end()
    assert status == 1
    assert "a doesn't stop; killing it" in said
    assert not alive(running.pids("a")[0])


def test_no_child_outlives_a_supervisor_that_was_killed(program: Run) -> None:
    running = program("children = [Child('a', steady('a')), Child('b', steady('b'))]")
    wait_until(lambda: "all up" in running.events)
    pids = running.pids("a") + running.pids("b")
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not any(map(alive, pids)))
    assert {"a stopping", "b stopping"} <= set(running.events)


def test_what_a_killed_child_leaves_behind_goes_with_it(program: Run) -> None:
    running = program("""
        def forker(supervision):
            if not os.fork():
                note('grandchild', 'up')
                time.sleep(600)
            supervision.watch()
            supervision.up()
            note('a', 'up')
            rest()
        children = [Child('a', forker, forks=True)]
    """)
    wait_until(lambda: "grandchild up" in running.events and "all up" in running.events)
    grandchild = running.pids("grandchild")[0]
    os.kill(running.pids("a")[0], signal.SIGKILL)
    wait_until(lambda: not alive(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has processes that inherit orphans without being PID 1")
def test_an_orphan_that_the_supervisor_inherits_leaves_no_zombie(program: Run) -> None:
    running = program("""
        import ctypes
        PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>: orphans come to us, as to PID 1
        assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        def forker(supervision):
            if not os.fork():
                if not os.fork():
                    note('orphan', 'up')
                    time.sleep(600)
                os._exit(0)
            os.wait()
            supervision.watch()
            supervision.up()
            rest()
        children = [Child('a', forker, forks=True)]
    """)
    wait_until(lambda: "orphan up" in running.events and "all up" in running.events)
    orphan = running.pids("orphan")[0]
    os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{orphan}").exists())


def test_a_signal_that_comes_right_after_a_fork_stops_the_child_in_good_order(program: Run) -> None:
    running = program("""
        import signal
        os.register_at_fork(
            after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM),
            after_in_child=lambda: time.sleep(0.3),  # it has no handlers of its own yet
        )
        children = [Child('a', steady('a'))]
    """)
    assert running.end() == (0, "")


def test_two_signals_at_once_are_one_order(program: Run) -> None:
    running = program("""
        def slow(supervision):
            supervision.up()
            try:
                rest()
            finally:
                time.sleep(0.2)
                note('slow', 'finished')
        children = [Child('slow', slow)]
    """)
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGINT)
    assert running.end() == (0, "")
    assert running.events[-1] == "slow finished"
