"""Stages at work in this process, on a real broker."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import pytest

from runner import Message, Pause, Reject, Retry
from runner.engine import Engine
from runner.errors import StartError
from runner.message import Destination, Outgoing
from tests.dead_letters import dead_letters
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
    name: test
    broker: BROKER
    defaults:
      retry: {attempts: 2, delay: 50ms}
    shutdown_timeout: 5s
    queues:
      work: {}
      other: {}
    stages:
      one:
        consume: work
        handler: "tests.worker.test_stage:HANDLER"
        concurrency: 3
      two:
        consume: other
        handler: "tests.worker.test_stage:Noting"
"""


class Recorder:
    """What the handlers of one test have seen."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.messages: list[Message] = []

    def note(self, event: str) -> None:
        self.events.append((event, threading.get_ident()))

    def count(self, event: str) -> int:
        return sum(name == event for name, _ in self.events)


class Noting:
    """Notes what it gets."""

    seen: ClassVar[Recorder] = Recorder()

    def __call__(self, message: Message) -> None:
        self.seen.messages.append(message)
        self.seen.note("called")


class Entered(Noting):
    """Is entered and left."""

    def __enter__(self) -> Self:
        self.seen.note("entered")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seen.note("left")


class Unenterable(Noting):
    """Can't be entered, the second time."""

    def __enter__(self) -> Self:
        self.seen.note("entered")
        if self.seen.count("entered") > 1:
            raise ConnectionError("no route to the bank")
        return self

    def __exit__(self, *_: object) -> None:
        self.seen.note("left")


class Exiting(Noting):
    """Tries to end the process."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        sys.exit("handler")


class Pausing(Noting):
    """Can't work for half a second."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        if len(self.seen.messages) == 1:
            raise Pause("the password is refused", delay=0.5)


class Resting(Noting):
    """Can't work for long."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        raise Pause("the mail server is away", delay=600)


class Unspeakable(Exception):
    """Can't tell of itself."""

    def __str__(self) -> str:
        raise RuntimeError


class Careless(Noting):
    """Raises what is hard to tell of."""

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        orders: dict[str, Callable[[], Exception]] = {
            "reject": lambda: Reject(ValueError("an object")),  # type: ignore[arg-type]
            "retry": lambda: Retry(None),  # type: ignore[arg-type]
            "text": lambda: Retry("later", delay="30"),  # type: ignore[arg-type]
            "infinite": lambda: Retry("later", delay=float("inf")),
            "never": lambda: Pause("rest", delay=float("nan")),
            "unspeakable": Unspeakable,
            "surrogate": lambda: Reject("no file \udc80.txt"),
        }
        order = orders[message.body]()
        raise order


class Waiting(Noting):
    """Waits until the test lets it go."""

    released: ClassVar[threading.Event]

    def __call__(self, message: Message) -> None:
        super().__call__(message)
        self.released.wait(30)


class Returning(Noting):
    """Returns a body that nothing takes."""

    def __call__(self, message: Message) -> dict[str, int]:  # type: ignore[override]
        super().__call__(message)
        return {"unused": 1}


@pytest.fixture(autouse=True)
def seen() -> Recorder:
    Noting.seen = Recorder()
    return Noting.seen


def engine(folder: Path, handler: str) -> Engine:
    return Engine(loaded(folder, PIPELINE.replace("HANDLER", handler)), timeout=10)


def send(running: Engine, *bodies: bytes, queue: str = "work") -> None:
    messages = [Outgoing(Destination("", queue), f"id-{body.decode()}", body) for body in bodies]
    running.broker.publish(messages)


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


def test_a_handler_that_cannot_be_entered_ends_the_start_and_nothing_was_taken(tmp_path: Path, seen: Recorder) -> None:
    with (
        pytest.raises(StartError, match=r"stage one: its handler can't start: ConnectionError: no route to the bank"),
        engine(tmp_path, "Unenterable"),
    ):
        pass
    assert seen.count("left") == 1, "the slot that was entered is left again"
    assert not seen.messages


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
    "text": "TypeError: '<=' not supported between instances of 'int' and 'str'",
    "infinite": "ValueError: delay is inf; it has to be between 0 and 3.16224e+07 seconds",
    "never": "ValueError: delay is nan; it has to be between 0 and 3.16224e+07 seconds",
    "unspeakable": "Unspeakable: Unspeakable (which can't be shown: RuntimeError)",
    "surrogate": "no file ?.txt",
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

        def slow_cancel(queue: str) -> None:
            if threading.current_thread().name.startswith("one-"):
                pausing.set()
                stopping.wait(10)
            elif queue == "other":  # the stop has come past the first stage
                stopping.set()
            cancel(queue)

        monkeypatch.setattr(running.broker, "cancel", slow_cancel)
        send(running, b"1")
        assert pausing.wait(10)
        began = threading.active_count()
    assert began > threading.active_count()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("one-")]


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


def test_a_result_that_nothing_takes_is_told_once(
    tmp_path: Path, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), engine(tmp_path, "Returning") as running:
        send(running, b"1", b"2", b"3")
        wait_until(lambda: len(seen.messages) == 3)
    assert caplog.text.count("one: its handler returns a body, but the stage has no publish") == 1


def test_only_the_named_stages_are_started(tmp_path: Path, seen: Recorder) -> None:
    only = Engine(loaded(tmp_path, PIPELINE.replace("HANDLER", "Noting")), only=["two"])
    with only as running:
        send(running, b"1")
        send(running, b"2", queue="other")
        wait_until(lambda: seen.messages)
        assert not running.broker.consuming("work")
    assert [message.queue for message in seen.messages] == ["other"]
