"""The supervisor with small children, each run as a real program."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.processes.program import Program, Run, alive
from tests.waiting import wait_until


def _has_come_up(running: Program, name: str, times: int) -> bool:
    return len(running.pids(name)) == times


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_every_child_and_the_run_ends_well(program: Run, number: signal.Signals) -> None:
    running = program("children = [Child('a', steady('a')), Child('b', steady('b'))]")
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(number)
    assert running.end() == (0, "")
    assert {"a stopping", "b stopping"} <= set(running.events)


def test_a_signal_that_interrupts_no_wait_ends_it(program: Run) -> None:
    """As one that comes just before the wait, here one that another thread takes: Python's handler waits for both."""
    running = program("""
        import signal, threading
        def order():
            while not (folder / 'events').exists() or 'all up' not in (folder / 'events').read_text():
                time.sleep(0.01)
            time.sleep(0.3)  # until the supervisor waits
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        threading.Thread(target=order, daemon=True).start()
        children = [Child('a', steady('a'))]
    """)
    assert running.end() == (0, "")


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
    assert running.told[-1] == "a cannot start: port 5000 is taken; stop the other program"
    assert "b stopping" in running.events
    assert "all up" not in running.events


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
    assert "a still runs; killing it" in said
    pid = running.pids("a")[0]
    assert running.told[1:] == [f"a {pid} killed", f"a {pid} stopped -9 True None"]
    assert not alive(pid)


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
