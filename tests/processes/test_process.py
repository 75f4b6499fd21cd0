"""What a supervisor knows of a child, from what it tells."""

from __future__ import annotations

import os

from runner.processes.child import LONGEST_REASON, Board, Child, Supervision
from runner.processes.pipes import Inlet, pipe
from runner.processes.process import Process


def told(process: Process) -> Supervision:
    """What a child of `process` would report by."""
    read, write = pipe()
    process.report = Inlet(read)
    return Supervision(write, -1, Board([]))


def take_in(process: Process) -> list[bool]:
    return [process.take_in(message) for message in process.messages()]


def a_process() -> Process:
    return Process(Child("a", lambda _: None), Board(["a"]))


def test_what_it_tells_is_taken_in() -> None:
    process = a_process()
    supervision = told(process)
    assert take_in(process) == []
    supervision.loadable()
    supervision.up()
    supervision.left()
    assert take_in(process) == [False, True, False]
    assert (process.up, process.loadable, process.has_left) == (True, True, True)


def test_a_line_that_another_process_of_the_child_has_broken_is_left_out() -> None:
    """Two processes of the intake share a pipe while its certificate changes, and neither waits for room in it."""
    process = a_process()
    read, write = pipe()
    process.report = Inlet(read)
    os.write(write, b'{"pid": 1, "cou{"pid": 2, "counts": {}}\n{"up": true}\n')
    assert take_in(process) == [True]


def test_a_reason_of_any_length_is_told() -> None:
    process = a_process()
    told(process).cannot_start("no " * 100_000)
    take_in(process)
    assert process.start_error is not None
    assert process.start_error.startswith("no no ")


def test_a_reason_is_masked_before_it_is_cut() -> None:
    process = a_process()
    told(process).cannot_start("x" * (LONGEST_REASON - 10) + " 4242424242424242")
    take_in(process)
    assert process.start_error is not None
    assert process.start_error.endswith("x ••••4242")


def test_one_that_wishes_to_be_replaced_is_not_waited_for() -> None:
    process = a_process()
    assert process.delay() > 0.0
    told(process).replace()
    take_in(process)
    assert process.delay() == 0.0


def test_whoever_looks_sees_how_often_it_has_started() -> None:
    process = a_process()
    assert (process.as_told().up, process.as_told().starts) == (False, 0)
