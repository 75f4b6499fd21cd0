"""The promises, each by name, kept by real programs that are really killed.

Promise 6, a broker that goes away, is in `test_rabbitmq`; promise 7 in `test_check`.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from functools import partial

import pytest

from tests.dead_letters import dead_letters
from tests.system.conftest import Start
from tests.system.program import PIPELINE, Program
from tests.waiting import wait_until


def post_in_background(program: Program, numbers: range, accepted: set[int], body: object = None) -> threading.Thread:
    """Post steadily; the numbers that were answered with 202 are added to `accepted`."""

    def post() -> None:
        for n in numbers:
            try:
                if program.post({"n": n, **(body if isinstance(body, dict) else {})}).status == 202:
                    accepted.add(n)
            except OSError:
                time.sleep(0.05)  # the intake itself is away

    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    return thread


# -- 1. 202 means durable -----------------------------------------------------------------


def test_202_means_durable_even_if_everything_is_killed_at_once(prepare: Start) -> None:
    program = prepare()
    program.start("--only", "intake")
    accepted = {n for n in range(50) if program.post({"n": n}).status == 202}
    os.kill(program.pid, signal.SIGKILL)
    program.end()
    assert accepted == set(range(50))
    program.start()
    program.wait_done(accepted)


def test_a_full_queue_is_503_and_never_202(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("first: {schema: body.json}", "first: {schema: body.json, max_length: 5}"))
    program.start("--only", "intake")
    answers = {n: program.post({"n": n}) for n in range(20)}
    refused = [answer for answer in answers.values() if answer.status != 202]
    assert {answer.status for answer in refused} == {503}
    assert all(answer.headers["Retry-After"] for answer in refused)
    accepted = {n for n, answer in answers.items() if answer.status == 202}
    assert 5 <= len(accepted) < 20
    program.stop()
    program.start()
    program.wait_done(accepted)
    program.wait_settled()
    assert program.done() == accepted


# -- 2. Ack last ------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["one", "two"])
def test_a_worker_killed_in_or_after_a_handler_loses_nothing(program: Program, stage: str) -> None:
    for number, action in enumerate(["die_once", "die_soon_once 0", "die_soon_once 0.001", "die_soon_once 0.005"]):
        numbers = range(30 * number, 30 * number + 30)
        for n in numbers:
            assert program.post({"n": n, "do": {stage: action} if n == numbers[15] else {}}).status == 202
        program.wait_done(numbers)
        program.wait_settled()


def test_workers_killed_at_random_under_load_lose_nothing(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("attempts: 3", "attempts: 12"))  # who is hit each time is not to blame
    program.start()
    accepted: set[int] = set()
    posting = post_in_background(program, range(600), accepted)
    killed = 0
    for _ in range(4):
        wait_until(partial(_notes_of_another, program, killed, len(program.notes) + 20))
        killed = program.notes[-1].pid
        os.kill(killed, signal.SIGKILL)
    posting.join()
    assert len(accepted) == 600
    program.wait_done(accepted)
    program.wait_settled()


# -- 3. Retries are bounded, delayed by the broker, and counted in the message ----------------


def test_a_message_that_always_fails_is_tried_three_times_and_ends_in_the_dead_letters(program: Program) -> None:
    program.post({"n": 1, "do": {"two": "fail"}})
    program.wait_settled(1)
    assert [note.attempt for note in program.notes if note.stage == "two"] == [1, 2, 3]
    (letter,) = dead_letters(program.broker, "second")
    assert letter.body == {"n": 1, "do": {"two": "fail"}}
    assert letter.headers["runner-attempt"] == 3
    assert letter.headers["runner-error"] == "ValueError: this body always fails"
    assert "in _fail" in letter.headers["runner-traceback"]


def test_a_message_that_kills_its_worker_ends_in_the_dead_letters_with_the_right_count(program: Program) -> None:
    for n in range(20):
        program.post({"n": n, "do": {"two": "die"} if n == 10 else {}})
    program.wait_done(range(20))
    program.wait_settled(1, 2)

    def attempts() -> list[int]:
        return [note.attempt for note in program.notes if (note.stage, note.n) == ("two", 10)]

    # Stage one's ack may have died with the worker as well: then there are two of them. For a
    # moment after a death nobody tells of what was in hand, so that only one is seen to be left.
    wait_until(lambda: len(dead_letters(program.broker, "second")) == (1 if attempts() == [1, 2, 3] else 2))
    letters = dead_letters(program.broker, "second")
    assert {letter.body["n"] for letter in letters} == {10}
    assert {letter.headers["runner-attempt"] for letter in letters} == {3}
    assert all("the worker died" in letter.headers["runner-error"] for letter in letters)
    if len(letters) == 2:  # a twin may have been beside the other when that one killed: counted once, unhandled
        assert all(attempts().count(attempt) <= 2 for attempt in (1, 2, 3))
        assert len(attempts()) >= 5
    blamed = max(note.attempt for note in program.notes if note.n != 10) - 1
    assert blamed <= len(letters), "no neighbour is blamed more than once for each that kills"


def test_what_was_beside_a_message_that_kills_is_tried_even_where_one_attempt_is_allowed(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("attempts: 3", "attempts: 1"))
    program.start("--only", "intake", "--only", "one")
    for n in range(20):
        program.post({"n": n, "do": {"two": "die"} if n == 10 else {}})
    wait_until(lambda: program.depths()["second"].ready == 20)
    program.stop()
    program.start()
    program.wait_done(range(20))
    program.wait_settled(1, 2)
    assert {letter.body["n"] for letter in dead_letters(program.broker, "second")} == {10}


def test_failures_and_deaths_are_counted_together_over_two_workers(prepare: Start) -> None:
    program = prepare()
    program.start("--processes", "2")
    program.post({"n": 1, "do": {"one": "die_once", "two": "retry"}})
    program.wait_settled(1)
    assert [note.attempt for note in program.notes if note.stage == "one"] == [1, 2]
    assert [note.attempt for note in program.notes if note.stage == "two"] == [1, 2, 3]


def test_the_count_starts_anew_with_each_stage(program: Program) -> None:
    program.post({"n": 1, "do": {"one": "fail_once"}})
    program.wait_done([1])
    assert [(note.stage, note.attempt) for note in program.notes] == [("one", 1), ("one", 2), ("two", 1)]


def test_a_retry_waits_on_the_broker_also_while_nothing_runs(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("delay: 200ms", "delay: 5s"))
    program.start()
    program.post({"n": 1, "do": {"two": "retry"}})
    wait_until(lambda: "again in 5s" in program.log)
    failed = time.monotonic()
    program.stop(signal.SIGKILL)
    assert program.depths()["second"].delayed == 1
    program.start()
    wait_until(lambda: [note.attempt for note in program.notes if note.stage == "two"][:2] == [1, 2])
    assert time.monotonic() - failed > 4.5


# -- 4. Nothing is dropped ------------------------------------------------------------------------


def test_a_rejected_message_goes_straight_to_the_dead_letters(program: Program) -> None:
    program.post({"n": 1, "do": {"one": "reject"}})
    program.wait_settled(1)
    (letter,) = dead_letters(program.broker, "first")
    expected = {"runner-stage": "one", "runner-error": "never", "runner-attempt": 1, "runner-queue": "first"}
    assert expected.items() <= letter.headers.items()
    assert letter.headers["runner-time"].endswith("+00:00")


def test_what_others_publish_is_checked_too_and_dead_lettered_with_its_fault(prepare: Start) -> None:
    lenient = PIPELINE.replace("{schema: body.json}", "{}")
    foreign = prepare(lenient)
    (foreign.folder / "lines").write_bytes(b'{"n": "no number"}\n[1]\n{"n": 7}\n')
    foreign.send("first", "lines")
    strict = prepare(PIPELINE, broker=foreign.broker)
    strict.start()
    strict.wait_done([7])
    strict.wait_settled(2)
    faults = sorted(letter.headers["runner-error"] for letter in dead_letters(strict.broker, "first"))
    assert faults == [
        "the body breaks the schema of first: /n must be an integer",
        "the body breaks the schema of first: the body must be an object",
    ]
    assert all(note.n == 7 for note in strict.notes), "neither was tried"


# -- 5. Stopping loses nothing ------------------------------------------------------------------------


def test_sigterm_under_load_finishes_what_is_in_hand_and_repeats_nothing(program: Program) -> None:
    accepted: set[int] = set()
    posting = post_in_background(program, range(300), accepted, {"do": {"one": "sleep 0.01"}})
    wait_until(lambda: len(program.done()) > 20)
    assert program.stop() == 0
    posting.join()
    program.start()
    program.wait_done(accepted)
    program.wait_settled()
    calls = [(note.stage, note.n) for note in program.notes]
    assert len(calls) == len(set(calls)), "every message was handled once by each stage"
    # While a consumer is being cancelled RabbitMQ may deliver to it once more, take that back
    # by itself, and count it (rabbitmq-server issue 3729): nobody can see it, so nobody can undo it.
    attempts = {note.attempt for note in program.notes}
    assert attempts == {1} or ("amqp" in program.broker and attempts == {1, 2})


def test_a_handler_that_does_not_end_is_left_behind_and_its_message_comes_again(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("shutdown_timeout: 10s", "shutdown_timeout: 500ms"))
    program.start()
    program.post({"n": 1, "do": {"one": "wait_for open"}})
    wait_until(lambda: program.notes)
    assert program.stop() == 0
    in_hand = re.search("one: still busy with first message ([0-9a-f]{32}), which will be delivered again", program.log)
    assert in_hand is not None
    (program.folder / "open").touch()
    program.start()
    program.wait_done([1])
    program.wait_settled()


def test_no_part_outlives_a_runner_that_was_killed(program: Program) -> None:
    program.post({"n": 1})
    program.wait_done([1])
    program.stop(signal.SIGKILL)
    wait_until(lambda: program.answers("/health/live") == 0)
    wait_until(lambda: not any(map(_alive, program.worker_pids())))


def test_a_stuck_handler_holds_up_neither_another_stage_nor_its_own_other_slots(program: Program) -> None:
    program.post({"n": 0, "do": {"one": "wait_for open"}})
    wait_until(lambda: program.notes)
    for n in range(1, 300):
        program.post({"n": n})
    program.wait_done(range(1, 300))
    (program.folder / "open").touch()
    program.wait_done([0])
    program.wait_settled()


def _notes_of_another(program: Program, pid: int, count: int) -> bool:
    """Whether a worker that isn't `pid` has noted something, and enough has been noted in all."""
    notes = program.notes
    return len(notes) > count and notes[-1].pid != pid


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
