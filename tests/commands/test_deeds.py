"""A deed on many messages that is ended half way: by Ctrl-C after the one in hand, by SIGKILL anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runner.brokers.base import Shelved
from runner.brokers.registry import connect
from runner.commands.deeds import Deeds, most
from runner.config.loader import load
from runner.deadletters import DeadLetter, read
from runner.message import Destination, Outgoing
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace, Place, RabbitPlace
from tests.pipelines import write
from tests.waiting import wait_until

PIPELINE = """
    broker: BROKER
    queues: {orders: {}}
    stages: {take: {consume: orders, handler: "tests.commands.prompt:take"}}
"""
SENT = [f"m{n:03}" for n in range(900)]


@pytest.fixture(params=["embedded", "rabbitmq"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """With a dead letter for each of `SENT`."""
    file = write(tmp_path, PIPELINE, {})
    place: Place = EmbeddedPlace(tmp_path / "broker.db")
    if request.param == "rabbitmq":
        place = RabbitPlace(request.getfixturevalue("vhost_url"))
        file.write_text(file.read_text().replace(f"embedded:{tmp_path / 'broker.db'}", place.address))
    pipeline = load(file).pipeline
    assert pipeline.broker == (place.address,)
    broker = connect(pipeline, "test")
    broker.start(plan(pipeline), timeout=30)
    broker.publish([Outgoing(Destination("", "orders.dlq"), name, b"{}") for name in SENT], timeout=30)
    broker.close()
    return place


class Audit:
    """The audit trail, as a pipe: a command whose deeds nobody reads goes on for some hundreds, and then waits."""

    def __init__(self, folder: Path) -> None:
        path = folder / "var" / "audit.jsonl"
        path.parent.mkdir()
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._read = b""

    def close(self) -> None:
        os.close(self._pipe)

    def ids(self) -> list[str]:
        """Of what the deeds up to now were done to."""
        with suppress(BlockingIOError):
            while more := os.read(self._pipe, 1 << 16):
                self._read += more
        return [json.loads(line)["id"] for line in self._read.splitlines()]


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    audit = Audit(tmp_path)
    yield audit
    audit.close()


@contextmanager
def half_way(tmp_path: Path, audit: Audit, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that has done some of it, and can't be done with it."""
    command = [sys.executable, "-m", "runner", "dead", *arguments, "-p", str(tmp_path / "pipeline.yaml"), "--all"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: len(audit.ids()) >= 5 or process.poll() is not None)
            yield process
        finally:
            process.kill()


def ids(place: Place, queue: str) -> list[str]:
    return [message.id for message in place.contents(queue)]


REPLAY = ("replay", "--rate", "20")
FAST = ("replay",)
DROP = ("drop", "--reason", "a test")


@pytest.mark.parametrize("deed", [REPLAY, FAST, DROP], ids=["replay-slowly", "replay", "drop"])
def test_ctrl_c_ends_it_after_those_in_hand(place: Place, tmp_path: Path, audit: Audit, deed: tuple[str, ...]) -> None:
    with half_way(tmp_path, audit, *deed) as process:
        process.send_signal(signal.SIGINT)
        wait_until(lambda: audit.ids() and process.poll() is not None)
        told, complaint = process.communicate()
    assert (process.returncode, complaint) == (1, "")
    assert "stopped, and the others stay where they are" in told
    done = audit.ids()
    assert 5 <= len(done) < len(SENT)
    assert ids(place, "orders.dlq") == SENT[len(done) :]
    assert (ids(place, "orders"), done) == ([] if deed is DROP else done, SENT[: len(done)])


@pytest.mark.parametrize("deed", [REPLAY, FAST, DROP], ids=["replay-slowly", "replay", "drop"])
def test_sigkill_loses_nothing_and_doubles_at_most_the_one_in_hand(
    place: Place, tmp_path: Path, audit: Audit, deed: tuple[str, ...]
) -> None:
    with half_way(tmp_path, audit, *deed) as process:
        process.kill()
        process.wait()
    begun = audit.ids()
    assert 5 <= len(begun) < len(SENT)
    wait_until(lambda: len(ids(place, "orders.dlq")) >= len(SENT) - len(begun))
    left, replayed = ids(place, "orders.dlq"), ids(place, "orders")
    assert set(SENT) - set(left) <= set(begun)
    if deed is not DROP:
        assert set(left) | set(replayed) == set(SENT)
        assert len(set(left) & set(replayed)) <= (1 if isinstance(place, RabbitPlace) else 0)
        assert sorted(replayed) == sorted(set(replayed))


def test_when_the_broker_is_lost_it_says_how_far_it_came_and_how_to_go_on(
    place: Place, tmp_path: Path, audit: Audit, request: pytest.FixtureRequest
) -> None:
    with half_way(tmp_path, audit, *REPLAY) as process, lost(place, request):
        wait_until(lambda: audit.ids() and process.poll() is not None)
        told, complaint = process.communicate()
    (tmp_path / "var" / "audit.jsonl").unlink()
    done = len(ids(place, "orders"))
    assert (process.returncode, told) == (1, "")
    assert complaint.startswith("runner: ")
    assert "(320, " not in complaint, "as pika writes it"
    [[count, in_hand]] = re.findall(
        r"; before that: replayed (\d+) dead letters(?:; (m\d{3} was|\d more were) in hand, and may be done too)?;"
        r" the same command goes on with the others\n$",
        complaint,
    )
    assert done in (int(count), int(count) + bool(in_hand))
    assert in_hand in ("", f"{SENT[int(count)]} was", "2 more were")
    again = [sys.executable, "-m", "runner", "dead", "replay", "-p", str(tmp_path / "pipeline.yaml"), "--all"]
    wait_until(lambda: subprocess.run(again, capture_output=True, check=False).returncode == 0)
    assert set(ids(place, "orders")) == set(SENT)


@contextmanager
def lost(place: Place, request: pytest.FixtureRequest) -> Iterator[None]:
    """The broker goes away, and is back at the end."""
    if isinstance(place, RabbitPlace):
        node, vhost = request.getfixturevalue("rabbit_node"), request.getfixturevalue("vhost")
        wait_until(lambda: node.close_connections(vhost))
        yield
    else:
        file = Path(place.address.partition(":")[2])
        file.rename(file.with_name("away.db"))
        yield
        file.with_name("away.db").rename(file)


def test_a_pile_is_no_larger_than_a_tenth_of_a_second() -> None:
    assert [most(rate) for rate in (0.5, 5, 20, 1000)] == [1, 1, 2, 100]


def test_the_second_ctrl_c_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    before: Callable[..., Any] | int | None = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("runner.commands.deeds.SAME_ORDER", -1.0)
    with Deeds("replayed") as deeds:
        signal.raise_signal(signal.SIGINT)
        assert (deeds.stopped, deeds.looks_on()) == (True, False)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_the_second_ctrl_c_tells_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_on: object, letters: Sequence[DeadLetter]) -> Sequence[str]:
        if letters[0].id == "m2":
            raise KeyboardInterrupt
        return ["" for _ in letters]

    letters = [read("orders", Shelved(name, b"{}", {}, None)) for name in ("m0", "m1", "m2", "m3")]
    shelf: Any = None  # only handed on
    with pytest.raises(KeyboardInterrupt), Deeds("replayed") as deeds:
        deeds.each_pile([(shelf, letters[:2]), (shelf, letters[2:])], interrupted)
    told = "replayed 2 dead letters; 2 more were in hand, and may be done too; the others stay where they are"
    assert capsys.readouterr().err == f"interrupted: {told}\n"
    with pytest.raises(KeyboardInterrupt), Deeds("replayed"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


def test_a_signal_that_comes_twice_at_once_is_one() -> None:
    """`timeout` signals the process and its group."""
    with Deeds("replayed") as deeds:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
    assert deeds.stopped


def test_the_summary_says_what_was_done_and_what_stays() -> None:
    deeds = Deeds("replayed")
    deeds.done, deeds.stay = 3, 1
    assert deeds.summary() == "replayed 3 dead letters; 1 stays where it is"
    deeds = Deeds("would replay")
    deeds.done, deeds.stay = 3, 2
    assert deeds.summary() == "would replay 3 dead letters; 2 would stay where they are"
