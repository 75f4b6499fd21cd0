"""All the stages of one process: they start together and stop together."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from runner.brokers.registry import connect
from runner.engine import Engine
from runner.errors import StartError
from runner.message import Destination, Outgoing
from runner.observability.snapshot import StageNow
from runner.topology import plan
from runner.worker.worker import Worker
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.worker.handlers import Recorder, Waiting
from tests.worker.stages import PIPELINE, engine, send

ROOT = Path(__file__).parents[2]


def test_a_handler_that_cannot_be_entered_ends_the_start_and_nothing_was_taken(tmp_path: Path, seen: Recorder) -> None:
    with (
        pytest.raises(StartError, match=r"stage one: its handler can't start: ConnectionError: no route to the bank"),
        engine(tmp_path, "Unenterable"),
    ):
        pass
    assert seen.count("left") == 1, "the slot that was entered is left again"
    assert not seen.messages


def test_only_the_named_stages_are_started(tmp_path: Path, seen: Recorder) -> None:
    only = Engine(loaded(tmp_path, PIPELINE.replace("HANDLER", "Noting")), only=["two"])
    with only as running:
        send(running, b"1")
        send(running, b"2", queue="other")
        wait_until(lambda: seen.messages)
        assert not running.broker.consuming("work")
    assert [message.queue for message in seen.messages] == ["other"]


def test_a_stage_that_pauses_at_once_does_not_keep_the_pipeline_from_starting(tmp_path: Path, seen: Recorder) -> None:
    with Engine(loaded(tmp_path, PIPELINE.replace("HANDLER", "Resting")), only=["two"]) as running:
        send(running, b"1", b"2", b"3", b"4")
    with engine(tmp_path, "Resting") as running:
        send(running, b"5", queue="other")
        wait_until(lambda: 5 in [message.body for message in seen.messages])


def test_a_stage_that_pauses_while_it_stops_is_left_in_time(
    tmp_path: Path, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = engine(tmp_path, "Pausing")
    with running:
        cancel, pausing, stopping = running.broker.cancel, threading.Event(), threading.Event()

        def slow_cancel(queue: str, **how: str) -> None:
            if threading.current_thread().name.startswith("one-"):
                pausing.set()
                stopping.wait(10)
            elif queue == "other":  # the stop has come past the first stage
                stopping.set()
            cancel(queue, **how)

        monkeypatch.setattr(running.broker, "cancel", slow_cancel)
        send(running, b"1")
        assert pausing.wait(10)
        began = threading.active_count()
    assert began > threading.active_count()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("one-")]


def test_a_slow_stage_gives_back_what_it_cannot_handle_soon_and_takes_more_when_it_can(
    tmp_path: Path, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.worker.worker.PACE_EVERY", 0.1)
    Waiting.released = threading.Event()
    with engine(tmp_path, "Waiting") as running:
        send(running, *(b"%d" % n for n in range(100)))
        wait_until(lambda: len(seen.messages) == 3)
        # Three in the slots, and one for each of them in advance.
        wait_until(lambda: running.broker.depths(["work"])["work"].in_hand == 6)
        assert running.broker.depths(["work"])["work"].ready == 94
        Waiting.released.set()
        wait_until(lambda: len(seen.messages) == 100)
        send(running, *(b"%d" % n for n in range(100, 5000)))
        wait_until(lambda: len(seen.messages) == 5000)
    assert {message.attempt for message in seen.messages} == {1}
    assert sorted(message.body for message in seen.messages) == list(range(5000))


def test_a_handler_that_keeps_every_thread_from_running_ends_its_process(tmp_path: Path) -> None:
    text = PIPELINE.replace("HANDLER", "Backtracking").replace("defaults:", "defaults:\n      timeout: 100ms")
    pipeline = loaded(tmp_path, text).pipeline.file
    program = f"""
        import time
        from pathlib import Path
        from runner.brokers.registry import connect
        from runner.config.loader import load
        from runner.message import Destination, Outgoing
        from runner.topology import plan
        from runner.worker import worker
        worker.LOCK_GRACE = 0.5
        loaded = load(Path({str(pipeline)!r}))
        broker = connect(loaded.pipeline, "test")
        broker.start(plan(loaded.pipeline))
        worker.Worker(loaded, broker, replaceable=True).start()
        broker.publish([Outgoing(Destination("", "work"), "id-1", b"1")])
        time.sleep(600)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=30, cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert "in __call__" in ended.stderr


def test_it_tells_of_each_stage_how_many_slots_are_at_work_and_how_its_breaker_stands(
    tmp_path: Path, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Waiting, "released", threading.Event())
    text = PIPELINE.replace("HANDLER", "Waiting").replace(
        "consume: work", "consume: work\n        breaker: {failures: 3}"
    )
    pipeline = loaded(tmp_path, text)
    broker = connect(pipeline.pipeline, "test")
    broker.start(plan(pipeline.pipeline))
    worker = Worker(pipeline, broker)
    worker.start()
    try:
        broker.publish([Outgoing(Destination("", "work"), f"id-{number}", b"1") for number in range(2)])
        wait_until(lambda: len(seen.messages) == 2)
        assert worker.states() == {"one": StageNow(3, 2, breaker={"closed": 1}), "two": StageNow(1, 0)}
    finally:
        Waiting.released.set()
        worker.stop(10.0)
        broker.close()
