"""The black box over forks and deaths: a small run of its own, with workers that are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

from runner.worker.blackbox import BlackBox, mark

PROGRAM = """
import json, os, signal
from runner.worker.blackbox import BlackBox, mark

box = BlackBox(2, 2)

def worker(number, *deeds):
    '''One that does `deeds`, and dies.'''
    ready, told = os.pipe()
    if not (pid := os.fork()):
        box.enter(number)
        for deed in deeds:
            deed()
        os.write(told, b".")
        signal.pause()
    os.read(ready, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

def begin(slot, id, attempt=1):
    return lambda: box.begun.__setitem__(slot, mark("work", id, attempt))

def innocent(id, attempt=1):
    return box.is_innocent(mark("work", id, attempt))

def acquittals(id, *attempts):
    return box.acquittals(mark("work", id, attempt) for attempt in attempts)

def take(id, attempt):
    return lambda: box.take_alone(mark("work", id, attempt))

def begin_alone(id, attempt):
    return lambda: box.begin_alone(mark("work", id, attempt))
"""


def outcome(deeds: str) -> Any:
    """What `deeds` put into `said`."""
    source = f"{PROGRAM}\n{textwrap.dedent(deeds)}\nprint(json.dumps(said))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


def test_what_a_killed_worker_had_begun_is_suspected_by_another_and_nothing_else() -> None:
    assert outcome("""
        worker(0, begin(0, "a"), begin(1, "b"), begin(0, "c"))
        box.enter(1)
        said = [innocent("a"), innocent("b"), innocent("c"), innocent("c", 2), innocent("never seen")]
    """) == [True, False, False, True, True]


def test_it_is_suspected_by_the_workers_successors_too() -> None:
    assert outcome("""
        worker(0, begin(0, "a"))
        worker(0, begin(0, "b"))
        box.enter(0)
        said = [innocent("a"), innocent("b"), innocent("c")]
    """) == [False, False, True]


def test_where_no_worker_of_the_run_has_died_nobody_is_known_to_be_innocent() -> None:
    box = BlackBox(2, 1)
    box.enter(0)
    assert not box.is_innocent(mark("work", "a", 1))
    box.messages_come_back()
    assert box.is_innocent(mark("work", "a", 1))


def test_after_an_orderly_end_nobody_is_known_to_be_innocent() -> None:
    assert (
        outcome("""
        if not (pid := os.fork()):
            box.enter(0)
            box.leave()
            os._exit(0)
        os.waitpid(pid, 0)
        box.enter(0)
        said = innocent("a")
    """)
        is False
    )


def test_a_suspect_is_acquitted_of_a_death_before_it_was_begun() -> None:
    assert outcome("""
        worker(0, take("waited", 2), take("began", 2), begin(0, "began", 2), begin_alone("began", 2), begin(0, "other"))
        box.enter(1)
        said = [acquittals("waited", 2), acquittals("began", 2), acquittals("waited", 1)]
        worker(0, take("waited", 2))
        said += [acquittals("waited", 2, 3)]
    """) == [1, 0, 0, 2]
