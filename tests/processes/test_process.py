"""What a supervisor knows of a child, from what it tells."""

from __future__ import annotations

import os

from runner.observability.snapshot import Told, Totals
from runner.processes.child import Board, Child, Supervision
from runner.processes.pipes import pipe
from runner.processes.process import Process


def reporting(process: Process) -> Supervision:
    """What a child of `process` would report by."""
    read, write = pipe()
    process.listen(read)
    return Supervision(write, -1, Board([]))


def a_process() -> Process:
    return Process(Child("a", lambda _: None), Board(["a"]))


def test_what_it_tells_is_taken_in_once_it_is_complete() -> None:
    process = a_process()
    read, write = pipe()
    process.listen(read)
    os.write(write, b'{"up": tr')
    heard = [process.read_report()]
    os.write(write, b'ue}\n{"replace": true}\n')
    heard += [process.read_report(), process.read_report()]
    assert heard == [False, True, False]
    assert process.up
    assert process.replaced


def test_a_reason_of_any_length_is_told() -> None:
    process = a_process()
    reporting(process).cannot_start("no " * 100_000)
    process.read_report()
    assert process.start_error is not None
    assert process.start_error.startswith("no no ")


def test_one_that_wishes_to_be_replaced_is_not_waited_for() -> None:
    process = a_process()
    assert process.delay() > 0.0
    reporting(process).replace()
    process.read_report()
    assert process.delay() == 0.0


def test_what_it_has_counted_is_taken_once_by_the_process_that_has_counted() -> None:
    process = a_process()
    supervision, told = reporting(process), Told(Totals(reconnects=1))
    supervision.counted(Told())
    supervision.counted(told)
    assert not process.read_report()
    assert process.take_counts() == {os.getpid(): told}, "the last word counts"
    assert process.take_counts() == {}
    assert process.counted == {os.getpid()}
