"""A stage at work: its slots, its handlers, its pauses."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from runner import Message, Retry
from runner.brokers.base import Depth
from runner.engine import Engine
from runner.message import Delivery, Destination, Outgoing, Session
from runner.routing import Router
from runner.topology import plan
from runner.worker.outcome import Decider
from runner.worker.stage import StageWorker
from tests.dead_letters import dead_letters
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.worker.handlers import Hanging, Lingering, Recorder, Serviced, Waiting
from tests.worker.stages import PIPELINE, engine, send


def test_a_handler_is_entered_and_left_once_for_each_slot_on_the_slots_own_thread(
    tmp_path: Path, seen: Recorder
) -> None:
    with engine(tmp_path, "Entered") as running:
        assert seen.count("entered") == 3
        send(running, *(b"%d" % n for n in range(30)))
        wait_until(lambda: seen.count("called") == 30)
    entered = {thread for event, thread in seen.events if event == "entered"}
    left = {thread for event, thread in seen.events if event == "left"}
    called = {thread for event, thread in seen.events if event == "called"}
    assert len(entered) == 3
    assert left == entered
    assert called <= entered
    assert threading.get_ident() not in entered


def test_a_message_arrives_as_it_was_sent(tmp_path: Path, seen: Recorder) -> None:
    with engine(tmp_path, "Noting") as running:
        running.broker.publish([Outgoing(Destination("", "work"), "id-1", b'{"a": [1, null]}', {"trace": "abc"})])
        wait_until(lambda: seen.messages)
    assert seen.messages == [Message("id-1", {"a": [1, None]}, "work", 1, {"trace": "abc"})]


def test_a_handler_that_calls_exit_has_only_failed(tmp_path: Path, seen: Recorder) -> None:
    with engine(tmp_path, "Exiting") as running:
        send(running, b"1", b"2", b"3", b"4")
        wait_until(lambda: len(seen.messages) == 8)
        send(running, b"5", queue="other")
        wait_until(lambda: len(seen.messages) == 9)
    letters = dead_letters(f"embedded:{tmp_path / 'broker.db'}", "work")
    assert {letter.headers["runner-error"] for letter in letters} == {"SystemExit: handler"}


CARELESS = {
    "reject": "an object",
    "retry": "None",
    "text": "TypeError: delay is '30'; it has to be a number of seconds, such as 90 or 0.5",
    "infinite": "ValueError: delay is inf; it has to be between 0 and 3.16224e+07 seconds",
    "never": "ValueError: delay is nan; it has to be between 0 and 3.16224e+07 seconds",
    "unspeakable": "Unspeakable: Unspeakable (which can't be shown: RuntimeError)",
    "surrogate": "no file \\udc80.txt",
}


@pytest.mark.parametrize("broker", ["embedded", "rabbitmq"])
def test_whatever_a_handler_raises_ends_in_the_dead_letters_and_no_slot_is_lost(
    tmp_path: Path, broker: str, request: pytest.FixtureRequest
) -> None:
    url = f"embedded:{tmp_path / 'broker.db'}" if broker == "embedded" else request.getfixturevalue("vhost_url")
    pipeline = PIPELINE.replace("HANDLER", "Careless").replace("BROKER", f'"{url}"')
    with Engine(loaded(tmp_path, pipeline), timeout=30) as running:
        for _ in range(2):  # there are three slots
            send(running, *(b'"%b"' % body.encode() for body in CARELESS))
        wait_until(lambda: running.broker.depths(["work"])["work"].dead == 2 * len(CARELESS))
    letters = dead_letters(url, "work")
    assert {letter.body: letter.headers["runner-error"] for letter in letters} == CARELESS


def fails(message: Message) -> None:
    raise RuntimeError(message.id)


def waits(message: Message) -> None:
    raise Retry("later")


@pytest.mark.parametrize("handler", [lambda message: None, fails, waits])
def test_a_message_is_freed_when_it_is_settled_for_collections_are_rare(
    tmp_path: Path, handler: Callable[[Message], Any]
) -> None:
    pipeline = loaded(tmp_path, PIPELINE.replace("HANDLER", "Noting"))
    stage = pipeline.pipeline.stages["one"]
    decider = Decider(stage, None, Router(stage.publish, plan(pipeline.pipeline), {}))
    worker = StageWorker(stage, pipeline.handlers["one"], decider, Mock(settle=lambda *_: None))
    session = Session()
    gc.collect()
    gc.disable()
    try:
        worker.handle(handler, Delivery("work", "m1", b"{}", {}, 1, session, 1), 0)
        assert [one for one in gc.get_objects() if isinstance(one, Delivery) and one.session is session] == []
    finally:
        gc.enable()


def test_what_a_handler_does_to_a_message_is_not_seen_by_others(tmp_path: Path, seen: Recorder) -> None:
    with engine(tmp_path, "Noting") as running:
        send(running, b"1")
        wait_until(lambda: seen.messages)
    with pytest.raises(TypeError):
        seen.messages[0].headers["mine"] = 1  # type: ignore[index]


def test_a_paused_stage_takes_nothing_counts_nothing_and_goes_on(
    tmp_path: Path, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with engine(tmp_path, "Pausing") as running:
        send(running, b"1")
        wait_until(lambda: "one is paused for 0.5 s: the password is refused" in caplog.text)
        wait_until(lambda: not running.broker.consuming("work"))
        send(running, b"2")
        send(running, b"3", queue="other")
        wait_until(lambda: any(message.queue == "other" for message in seen.messages))
        assert sum(message.queue == "work" for message in seen.messages) == 1, "the other stage works, this one rests"
        assert running.broker.depths(["work"])["work"].ready == 2
        wait_until(lambda: sorted(m.body for m in seen.messages if m.queue == "work") == [1, 1, 2])
        assert running.broker.consuming("work")
    assert {message.attempt for message in seen.messages} == {1}


BROKEN = PIPELINE.replace("HANDLER", "Serviced").replace(
    "concurrency: 3", "breaker: {failures: 2, pause: 200ms}\n        retry: {attempts: 2, delay: 10ms}"
)


@pytest.fixture
def service() -> type[Serviced]:
    """What stage `one` of BROKEN needs: it is away."""
    Serviced.away, Serviced.fault = True, Retry
    Serviced.answered, Serviced.together = threading.Event(), threading.Barrier(1)
    Serviced.answered.set()
    return Serviced


def test_while_a_service_is_away_its_stage_is_paused_and_the_attempts_of_its_messages_are_spared(
    tmp_path: Path, seen: Recorder, service: type[Serviced], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Engine(loaded(tmp_path, BROKEN), timeout=10) as running:
        send(running, b"1", b"2")
        wait_until(lambda: caplog.text.count("one is paused for 0.2 s") == 6)
        reason = "one is paused for 0.2 s: 4 attempts in a row have failed, the last with: 503"
        assert reason in caplog.text
        assert len(seen.messages) <= 8, "two failures, and one probe after each pause"
        service.away = False
        seen.messages.clear()
        wait_until(lambda: len({message.body for message in seen.messages}) == 2)
        wait_until(lambda: running.broker.depths(["work"])["work"] == Depth(consumers=1))


def test_after_a_pause_one_message_is_tried_and_then_the_stage_goes_on_with_all(
    tmp_path: Path, seen: Recorder, service: type[Serviced]
) -> None:
    service.answered.clear()
    text = BROKEN.replace("delay: 10ms", "delay: 1s").replace("breaker:", "concurrency: 3\n        breaker:")
    with Engine(loaded(tmp_path, text), timeout=10) as running:
        send(running, b"1", b"2")
        wait_until(lambda: not running.broker.consuming("work"))
        send(running, *(b"%d" % number for number in range(3, 9)))
        wait_until(lambda: len(seen.messages) == 3)
        assert running.broker.depths(["work"])["work"].in_hand == 1
        service.away, service.together = False, threading.Barrier(3)
        service.answered.set()
        wait_until(lambda: seen.count("together") >= 3)
        service.together.abort()


def test_a_probe_that_fails_makes_room_for_another_message(
    tmp_path: Path, seen: Recorder, service: type[Serviced], caplog: pytest.LogCaptureFixture
) -> None:
    with Engine(loaded(tmp_path, BROKEN), timeout=10) as running:
        send(running, b"1", b"2", b"3")
        wait_until(lambda: caplog.text.count("one is paused") == 5)
    assert len({message.body for message in seen.messages[2:]}) == 3


def test_a_message_that_is_to_blame_is_a_dead_letter_in_the_end_though_the_breaker_is_open(
    tmp_path: Path, seen: Recorder, service: type[Serviced]
) -> None:
    service.fault = ValueError
    with Engine(loaded(tmp_path, BROKEN.replace("attempts: 2", "attempts: 4")), timeout=10) as running:
        send(running, b"1")
        wait_until(lambda: running.broker.depths(["work"])["work"].dead == 1)
    assert [message.attempt for message in seen.messages] == [1, 2, 3, 4]


def test_a_handler_that_hangs_is_a_failure_of_the_service_too(
    tmp_path: Path, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    Hanging.released = threading.Event()
    text = BROKEN.replace("Serviced", "Hanging").replace("failures: 2", "failures: 1")
    with Engine(loaded(tmp_path, text.replace("breaker:", "timeout: 200ms\n        breaker:")), timeout=10) as running:
        send(running, b"0")
        wait_until(
            lambda: (
                "one is paused for 0.2 s: 1 attempt has failed, the last with: the handler has not returned"
                in caplog.text
            )
        )
        Hanging.released.set()
        wait_until(lambda: seen.count("left") >= 1)


def test_a_result_that_nothing_takes_is_reported_once(
    tmp_path: Path, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), engine(tmp_path, "Returning") as running:
        send(running, b"1", b"2", b"3")
        wait_until(lambda: len(seen.messages) == 3)
    assert caplog.text.count("one: its handler returns a body, but the stage has no publish") == 1


def test_what_a_handler_is_still_at_work_on_when_the_process_ends_is_named(
    tmp_path: Path, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    Waiting.released = threading.Event()
    impatient = PIPELINE.replace("HANDLER", "Waiting").replace("shutdown_timeout: 5s", "shutdown_timeout: 50ms")
    with caplog.at_level(logging.WARNING), Engine(loaded(tmp_path, impatient), timeout=10) as running:
        send(running, b"1", b"2", b"3")
        wait_until(lambda: len(seen.messages) == 3)
    Waiting.released.set()
    in_hand = "work message id-1, work message id-2, work message id-3"
    assert f"one: still busy with {in_hand}, which will be delivered again" in caplog.messages


def test_a_handler_that_does_not_end_is_reported_though_it_has_nothing_in_hand(
    tmp_path: Path, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    Lingering.released = threading.Event()
    impatient = PIPELINE.replace("HANDLER", "Lingering").replace("shutdown_timeout: 5s", "shutdown_timeout: 50ms")
    with caplog.at_level(logging.WARNING), Engine(loaded(tmp_path, impatient), timeout=10):
        assert seen.count("entered") == 3
    Lingering.released.set()
    assert caplog.messages == ["one: a handler doesn't end, though it has nothing in hand"]


def test_a_handler_that_hangs_has_failed_loses_its_slot_to_a_fresh_one_and_is_too_late(
    tmp_path: Path, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    Hanging.released = threading.Event()
    hanging = PIPELINE.replace("HANDLER", "Hanging").replace("concurrency: 3", "timeout: 200ms\n        publish: other")
    with Engine(loaded(tmp_path, hanging), timeout=10) as running:
        send(running, b"0")
        wait_until(lambda: running.broker.depths(["work"])["work"].dead == 1)
        send(running, b"1")
        wait_until(lambda: (1, "other") in [(message.body, message.queue) for message in seen.messages])
        assert seen.count("entered") == 3, "each of two attempts has lost its slot to a fresh handler"
        Hanging.released.set()
        wait_until(lambda: seen.count("left") == 2)
        assert "id-0 has ended after all: too late" in caplog.text
    (letter,) = dead_letters(f"embedded:{tmp_path / 'broker.db'}", "work")
    assert letter.headers["runner-attempt"] == 2
    assert letter.headers["runner-error"] == "the handler has not returned within 200ms"
    assert "released.wait" in letter.headers["runner-traceback"]
    assert [message.attempt for message in seen.messages if message.body == 0] == [1, 2], "nothing was published late"


def test_a_handler_may_take_as_long_as_it_likes_where_timeout_is_off(tmp_path: Path, seen: Recorder) -> None:
    Hanging.released = threading.Event()
    patient = PIPELINE.replace("HANDLER", "Hanging").replace("concurrency: 3", "timeout: off\n        publish: other")
    patient = patient.replace("defaults:", "defaults:\n      timeout: 100ms")
    with Engine(loaded(tmp_path, patient), timeout=10) as running:
        send(running, b"0")
        wait_until(lambda: seen.count("called") == 1)
        Hanging.released.set()
        wait_until(lambda: seen.count("called") == 2)
    assert [(message.queue, message.attempt) for message in seen.messages] == [("work", 1), ("other", 1)]
