"""From HTTP to the last stage, and how a run starts and stops."""

from __future__ import annotations

import signal
import socket
import time

from tests.system.conftest import Start
from tests.system.program import PIPELINE, Program
from tests.waiting import wait_until


def test_what_is_posted_comes_to_the_last_stage_once(program: Program) -> None:
    answers = [program.post({"n": n}) for n in range(50)]
    assert {answer.status for answer in answers} == {202}
    assert all(answer.body["status"] == "accepted" for answer in answers)
    assert len({answer.body["id"] for answer in answers}) == 50
    program.wait_done(range(50))
    program.wait_settled()
    assert sorted(note.n for note in program.notes if note.stage == "two") == list(range(50))


def test_the_pipeline_is_ready_once_every_stage_has_its_worker(prepare: Start) -> None:
    intake = prepare()
    intake.start("--only", "intake")
    answer = intake.request("GET", "/health/pipeline")
    assert answer.status == 503
    assert "stage one has no worker; stage two has no worker" in answer.body["detail"]
    assert intake.answers("/health/live") == intake.answers("/health/ready") == 200

    workers = prepare(PIPELINE, broker=intake.broker)
    workers.start("--only", "one", "--only", "two")
    wait_until(lambda: intake.answers("/health/pipeline") == 200)
    workers.stop()
    wait_until(lambda: intake.answers("/health/pipeline") == 503)
    assert intake.answers("/health/ready") == 200


def test_a_pipeline_may_be_split_over_several_runs(prepare: Start) -> None:
    intake = prepare()
    first, second = prepare(PIPELINE, broker=intake.broker), prepare(PIPELINE, broker=intake.broker)
    intake.start("--only", "intake")
    assert intake.post({"n": 1}).status == 202
    first.start("--only", "one")
    second.start("--only", "two")
    second.wait_done([1])
    assert {note.stage for note in first.notes} == {"one"}


def test_an_idle_run_stops_at_once_and_well(prepare: Start) -> None:
    program = prepare(PIPELINE.replace("shutdown_timeout: 10s", "shutdown_timeout: 1h"))
    program.start()
    assert program.stop(signal.SIGINT) == 0, "it waits for nothing"
    assert "Traceback" not in program.log


def test_a_run_that_is_stopped_while_it_starts_ends_well(prepare: Start) -> None:
    program = prepare()
    for hundredth in range(20, 50, 2):
        program.start(up=False)
        time.sleep(hundredth / 100)  # any moment is to do
        assert program.stop() in (0, -signal.SIGTERM), program.log
    assert "error" not in program.log, program.log
    assert "Traceback" not in program.log


def test_a_restart_goes_on_with_what_was_under_way(program: Program) -> None:
    for n in range(20):
        program.post({"n": n, "do": {"one": "sleep 0.1"}})
    assert program.stop() == 0
    done_before = program.done()
    assert done_before != set(range(20))
    program.start()
    program.wait_done(range(20))
    program.wait_settled()
    assert {note.attempt for note in program.notes} == {1}, "a clean stop is no attempt"


def test_two_worker_processes_share_the_work(prepare: Start) -> None:
    program = prepare()
    program.start("--processes", "2")
    for n in range(40):
        program.post({"n": n, "do": {"one": "sleep 0.02"}})
    program.wait_done(range(40))
    assert len(program.worker_pids()) == 2


def test_a_port_that_is_taken_ends_the_run_with_one_line(prepare: Start) -> None:
    program = prepare()
    with socket.socket() as other:
        other.bind(("127.0.0.1", program.port))
        other.listen()
        program.start(up=False)
        assert program.end() == 1
    assert f"can't listen on 127.0.0.1:{program.port}: address already in use" in program.log
    assert len(program.log.splitlines()) == 1


def test_a_second_run_does_not_share_the_port_of_the_first(program: Program, prepare: Start) -> None:
    second = prepare(PIPELINE, broker=program.broker)
    second.write(PIPELINE.replace("PORT", str(program.port)))
    second.start(up=False)
    assert second.end() == 1
    assert "address already in use" in second.log
