"""Handlers that end their process, or never end themselves: who is blamed, and who isn't."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

import pytest

from tests.dead_letters import dead_letters
from tests.system.conftest import Start
from tests.system.program import PIPELINE, Note, Program
from tests.waiting import wait_until

SLOTS = 2
"""Of stage `one`."""


def attempts(program: Program, n: int, stage: str = "one") -> list[int]:
    return [note.attempt for note in program.notes if (note.stage, note.n) == (stage, n)]


def blamed(notes: Iterable[Note], *guilty: int) -> set[int]:
    """Those but the guilty of whom an attempt was counted."""
    return {note.n for note in notes if note.attempt > 1 and note.n not in guilty}


@pytest.mark.parametrize("status", [0, 1, 3])
def test_the_exit_status_that_a_handler_ends_its_worker_with_means_nothing(prepare: Start, status: int) -> None:
    program = prepare()
    program.start()
    program.post({"n": 1, "do": {"one": f"exit {status}"}})
    program.post({"n": 2})
    program.wait_done([2])
    program.wait_settled(1)
    assert attempts(program, 1) == [1, 2, 3]
    assert program.answers("/health/live") == 200
    (letter,) = dead_letters(program.broker, "first")
    assert letter.headers["runner-attempt"] == 3


@pytest.mark.parametrize("processes", [1, 2])
def test_of_what_was_in_hand_at_a_death_only_what_was_begun_is_blamed(prepare: Start, processes: int) -> None:
    program = prepare()
    program.start("--only", "intake")
    for n in range(60):
        program.post({"n": n, "do": {"one": "die" if n == 20 else "sleep 0.02"}})
    program.stop()
    program.start("--processes", str(processes))
    program.wait_done(set(range(60)) - {20})
    program.wait_settled(1)
    assert attempts(program, 20) == [1, 2, 3]
    (letter,) = dead_letters(program.broker, "first")
    assert letter.headers["runner-attempt"] == 3
    beside = blamed((note for note in program.notes if note.stage == "one"), 20)
    assert len(beside) < SLOTS * 3, "at each of three deaths there was one beside it"


def test_where_one_attempt_is_allowed_no_innocent_is_a_dead_letter_however_many_kill(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("attempts: 3", "attempts: 1"))
    program.start("--only", "intake")
    killers = {7, 8, 30}
    for n in range(40):
        program.post({"n": n, "do": {"one": "die" if n in killers else "sleep 0.02"}})
    program.stop()
    program.start()
    program.wait_done(set(range(40)) - killers)
    program.wait_settled(
        *range(len(killers), 2 * len(killers) + 1)
    )  # an ack may die with a worker: then there are twins
    # a killer that RabbitMQ is just giving back is counted nowhere
    wait_until(lambda: {letter.body["n"] for letter in dead_letters(program.broker, "first")} == killers)


def test_a_handler_that_hangs_is_counted_and_its_worker_is_replaced(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("attempts: 3", "attempts: 2").replace("defaults:", "defaults:\n  timeout: 3s"))
    program.start()
    program.post({"n": 0, "do": {"one": "wait_for never"}})
    for n in range(1, 40):
        program.post({"n": n, "do": {"one": "sleep 0.05"}})
    program.wait_done(range(1, 40))
    program.wait_settled(1)
    assert attempts(program, 0) == [1, 2]
    (letter,) = dead_letters(program.broker, "first")
    assert letter.headers["runner-attempt"] == 2
    assert letter.headers["runner-error"] == "the handler has not returned within 3s"
    assert "in _wait_for" in letter.headers["runner-traceback"]
    assert len({note.pid for note in program.notes if note.n == 0}) == 2, "another process tried it again"
    assert blamed(program.notes, 0) == set()
    assert "worker ended" not in program.log
    assert program.stop() == 0


def test_one_that_hangs_does_not_hold_up_the_others_whose_holder_nobody_knows(prepare: Start) -> None:
    program = prepare()
    program.start("--only", "intake")
    for n in range(30):
        program.post({"n": n, "do": {"one": "wait_for open" if n == 0 else "wait_for go"}})
    program.stop()
    program.start("--only", "one")
    wait_until(lambda: len(program.notes) == SLOTS)
    os.kill(program.pid, signal.SIGSTOP)  # neither it nor a successor of the worker tells of the death
    os.kill(program.notes[0].pid, signal.SIGKILL)
    program.stop(signal.SIGKILL)
    (program.folder / "go").touch()
    program.start()
    program.wait_done(range(1, 30))
    wait_until(lambda: attempts(program, 0) == [1, 2])
    (program.folder / "open").touch()
    program.wait_settled()
