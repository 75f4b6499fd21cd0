"""What an operator does to messages that wait; the command line and the console do it by these functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from runner.audit import Trail, read_trail
from runner.backlog import Drain, Refilled, State, backlog, backlog_piles, drained
from runner.brokers.base import OneByOne, Shelf, Shelved
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.deadletters import Filter
from runner.errors import BrokerAwayError, BrokerUnavailableError, RunnerError
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from runner.message import Destination, Outgoing
from runner.operations import Drop, Replay
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace
from tests.full_disk import room_for
from tests.ledger.ledgers import published, record
from tests.pipelines import loaded

PIPELINE = """
    broker: BROKER
    ledger: sqlite:ledger.db
    queues: {orders: {}}
    stages: {take: {consume: orders, handler: "tests.config.handlers:take"}}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    """Two of its orders are ready, one is delayed."""
    made = loaded(tmp_path, PIPELINE, {})
    assert made.pipeline.ledger is not None
    ledger = Ledger(made.pipeline.ledger).open(timeout=30)
    for name in ("a", "b", "late"):
        record(ledger, published(HopKey(name, "orders")))
    ledger.close()
    broker = connect(made.pipeline, "test")
    broker.start(plan(made.pipeline))
    to, failed = Destination("", "orders"), {"runner-attempt": 1, "runner-error": "bank", "first-error": "bank"}
    broker.publish([Outgoing(to, "a", b'{"n": 1}', {"mine": 7}), Outgoing(to, "b", b"no json")])
    broker.publish([Outgoing(to, "late", b'{"n": 3}', {**failed, "first-time": "2026-01-02T00:00:00Z"}, delay=600)])
    broker.close()
    return made


def waiting(pipeline: LoadedPipeline, which: Filter | None = None, *states: State) -> list[str]:
    found = backlog(pipeline, (), which or Filter(), states=states or ("ready", "delayed"))
    return [message.id for _, message in found]


def standing(pipeline: LoadedPipeline, id: str) -> str | None:
    assert pipeline.pipeline.ledger is not None
    ledger = Ledger(pipeline.pipeline.ledger)
    journey = ledger.journey(id)
    ledger.close()
    return None if journey is None else journey.standing


def test_they_are_chosen_as_dead_letters_are(pipeline: LoadedPipeline) -> None:
    assert waiting(pipeline) == ["a", "b", "late"]
    assert (waiting(pipeline, None, "ready"), waiting(pipeline, None, "delayed")) == (["a", "b"], ["late"])
    assert waiting(pipeline, Filter(error="bank")) == ["late"]
    assert waiting(pipeline, Filter(stage="take", ids=frozenset(["b"]))) == ["b"]
    assert waiting(pipeline, Filter(stage="mail")) == []
    with pytest.raises(RunnerError, match="no queue 'order'"):
        list(backlog(pipeline, ["order"], Filter()))


def test_many_are_cancelled_together_and_none_of_those_that_were_not_begun(pipeline: LoadedPipeline) -> None:
    broker = connect(pipeline.pipeline, "test")
    broker.start(plan(pipeline.pipeline))
    broker.publish([Outgoing(Destination("", "orders"), f"m{n}", b"{}") for n in range(250)])
    broker.close()
    delete = Drop(pipeline, Trail(pipeline.pipeline.folder, "cancel", "a test"))
    left = iter([True] * 240 + [False])
    sizes = []
    for on, messages in backlog_piles(pipeline, (), Filter(), lambda: next(left)):
        sizes.append(len(messages))
        assert delete.all(on, messages) == [""] * len(messages)
    assert sizes == [100, 100]
    assert len(waiting(pipeline)) == 253 - 200


def test_what_is_cancelled_is_gone_written_down_and_known_as_dropped(pipeline: LoadedPipeline) -> None:
    delete = Drop(pipeline, Trail(pipeline.pipeline.folder, "cancel", "a test", by="ada"))
    for on, message in backlog(pipeline, (), Filter(ids=frozenset(["a", "late"]))):
        assert delete.one(on, message) == ""
    assert waiting(pipeline) == ["b"]
    assert [(deed["deed"], deed["id"]) for deed in read_trail(pipeline.pipeline.folder, 9)] == [
        ("cancel", "late"),
        ("cancel", "a"),
    ]
    assert [standing(pipeline, name) for name in ("a", "b", "late")] == ["dropped", "accepted", "dropped"]


def test_what_is_drained_can_be_put_back_as_it_was(pipeline: LoadedPipeline, tmp_path: Path) -> None:
    file = tmp_path / "drained.jsonl"
    with Drain(pipeline, Trail(tmp_path, "drain", "a move"), file) as move:
        assert [move.one(on, message) for on, message in backlog(pipeline, (), Filter())] == ["", "", ""]
    assert (waiting(pipeline), file.stat().st_mode & 0o077) == ([], 0)
    first = json.loads(file.read_text().splitlines()[0])
    assert first == {"id": "a", "queue": "orders", "headers": {"mine": 7}, "body": {"n": 1}}
    broker = connect(pipeline.pipeline, "test")
    broker.start(plan(pipeline.pipeline))
    resend = Replay(pipeline, Trail(tmp_path, "fill", ""))
    with file.open("rb") as lines:
        told = [resend.one(Refilled(broker), message) for message in drained(iter(lines))]
    broker.close()
    assert [stays == "" for stays in told] == [True, False, True]
    stored = EmbeddedPlace(tmp_path / "broker.db").contents("orders")
    assert [(m.id, m.headers) for m in stored] == [
        ("a", {"mine": 7}),
        ("late", {"first-error": "bank", "first-time": "2026-01-02T00:00:00Z"}),
    ]
    assert standing(pipeline, "late") == "accepted"


def test_what_could_not_be_taken_away_is_not_in_the_file(pipeline: LoadedPipeline, tmp_path: Path) -> None:
    file = tmp_path / "drained.jsonl"
    with Drain(pipeline, Trail(tmp_path, "drain", "a move"), file) as move:
        for on, message in backlog(pipeline, (), Filter()):
            if message.id == "b":
                assert on.settle(message.shelved, ())  # somebody else was faster
            assert (move.one(on, message) == "") == (message.id != "b")
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["a", "late"]


@pytest.mark.parametrize(
    ("fault", "kept"), [(BrokerUnavailableError("no answer in 10 s"), ["a"]), (BrokerAwayError("gone"), [])]
)
def test_what_may_have_left_its_queue_stays_in_the_file(
    pipeline: LoadedPipeline, tmp_path: Path, fault: RunnerError, kept: list[str]
) -> None:
    """Where the broker is lost before it has answered, the file may be the only place where it is."""
    file = tmp_path / "drained.jsonl"
    with suppress(RunnerError), Drain(pipeline, Trail(tmp_path, "drain", "a move"), file) as move:
        for on, message in backlog(pipeline, (), Filter()):
            move.one(Losing(on, fault), message)
    assert [json.loads(line)["id"] for line in (file.read_text() if file.exists() else "").splitlines()] == kept


def test_what_a_full_disk_does_not_take_stays_on_its_queue_and_no_part_of_it_in_the_file(
    pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    file = tmp_path / "drained.jsonl"
    with Drain(pipeline, Trail(tmp_path, "drain", "a move"), file) as move:
        messages = backlog(pipeline, (), Filter(), states=["ready"])
        assert move.one(*next(messages)) == ""
        on, second = next(messages)
        with room_for(file.stat().st_size + 5), pytest.raises(RunnerError, match=r"drained\.jsonl: file too large"):
            move.one(on, second)
        messages.close()
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["a"]
    assert waiting(pipeline) == ["b", "late"]


class Losing(OneByOne):
    """A shelf whose broker is lost in the middle of it."""

    def __init__(self, on: Shelf, fault: RunnerError) -> None:
        self.look = on.look
        self._fault = fault

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:
        raise self._fault


def test_a_file_that_is_there_is_not_written_over(pipeline: LoadedPipeline, tmp_path: Path) -> None:
    file = tmp_path / "drained.jsonl"
    file.write_text("precious")
    with pytest.raises(RunnerError, match="name a new file"):
        Drain(pipeline, Trail(tmp_path, "drain", "a move"), file)
    with pytest.raises(RunnerError, match="line 1 is none of a file"):
        list(drained(iter([b"precious"])))
