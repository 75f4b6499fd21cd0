"""What an operator does to dead letters; the command and the console do it by these functions."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from runner.audit import Trail, read_trail
from runner.brokers.embedded.shelf import EmbeddedShelf
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.deadletters import Filter
from runner.errors import RunnerError
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from runner.message import Destination, Outgoing
from runner.operations import Account, Drop, Replay, TargetError, found, piles, router_to
from runner.topology import plan
from tests.ledger.ledgers import record, settled
from tests.pipelines import loaded

PIPELINE = """
    broker: BROKER
    http: {listen: "127.0.0.1:0", routes: {POST /orders: {publish: orders}}}
    queues: {orders: {schema: order.json}, late: {}}
    stages:
      one: {consume: orders, handler: "tests.config.handlers:take"}
      two: {consume: late, handler: "tests.config.handlers:take"}
"""
SCHEMA = {"type": "object", "required": ["n"]}


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    """Two of its orders are dead; one of them could be handled."""
    made = loaded(tmp_path, PIPELINE, {"order.json": SCHEMA})
    broker = connect(made.pipeline, "test")
    broker.start(plan(made.pipeline))
    dead = Destination("", "orders.dlq")
    broker.publish([Outgoing(dead, "good", b'{"n": 1}'), Outgoing(dead, "bad", b"{}")])
    broker.close()
    return made


def left(pipeline: LoadedPipeline) -> list[str]:
    return [letter.id for _, letter in found(pipeline, (), Filter())]


def test_a_plan_says_what_would_happen_and_changes_nothing(pipeline: LoadedPipeline) -> None:
    plan_of = Replay(pipeline, None)
    told = {letter.id: plan_of.one(on, letter) for on, letter in found(pipeline, ["orders"], Filter())}
    assert told["good"] == ""
    assert "breaks the schema of orders" in told["bad"]
    assert left(pipeline) == ["good", "bad"]
    assert read_trail(pipeline.pipeline.folder, 9) == []


def test_what_is_replayed_is_written_down_and_what_is_refused_stays(pipeline: LoadedPipeline) -> None:
    resend = Replay(pipeline, Trail(pipeline.pipeline.folder, "replay", "mended", by="ada"))
    for on, letter in found(pipeline, (), Filter()):
        resend.one(on, letter)
    assert left(pipeline) == ["bad"]
    [deed] = read_trail(pipeline.pipeline.folder, 9)
    assert (deed["who"], deed["deed"], deed["id"], deed["to"]) == ("ada", "replay", "good", "orders")


def test_in_a_pile_each_is_replayed_or_says_why_it_stays(pipeline: LoadedPipeline, tmp_path: Path) -> None:
    resend = Replay(pipeline, Trail(tmp_path, "replay", "mended"))
    told = [resend.all(on, letters) for on, letters in piles(pipeline, (), Filter(), lambda: True)]
    [[good, bad]] = told
    assert (good, "breaks the schema of orders" in bad) == ("", True)
    assert left(pipeline) == ["bad"]


def test_a_pile_is_as_large_as_is_wanted_and_has_few_bytes(
    pipeline: LoadedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sizes(most: int | None) -> list[int]:
        return [len(letters) for _, letters in piles(pipeline, (), Filter(), lambda: True, most)]

    assert (sizes(None), sizes(2), sizes(1)) == ([2], [2], [1, 1])
    monkeypatch.setattr("runner.operations.PILE_BYTES", 1)
    assert sizes(None) == [1, 1]


def test_whoever_stops_leaves_an_unfinished_pile_where_it_is(pipeline: LoadedPipeline) -> None:
    answers = iter([True, False])
    assert list(piles(pipeline, (), Filter(), lambda: next(answers))) == []
    assert left(pipeline) == ["good", "bad"]


def test_a_replay_may_go_elsewhere(pipeline: LoadedPipeline) -> None:
    resend = Replay(pipeline, Trail(pipeline.pipeline.folder, "replay", ""), "late")
    assert [resend.one(on, letter) for on, letter in found(pipeline, (), Filter())] == ["", ""]
    assert left(pipeline) == []


def test_what_is_dropped_is_gone_and_written_down(pipeline: LoadedPipeline) -> None:
    trail = Trail(pipeline.pipeline.folder, "drop", "a test")
    for on, letter in found(pipeline, (), Filter(ids=frozenset(["bad"]))):
        assert Drop(pipeline, trail).one(on, letter) == ""
    assert left(pipeline) == ["good"]
    assert [deed["id"] for deed in read_trail(pipeline.pipeline.folder, 9)] == ["bad"]


def test_a_deed_is_in_the_journey_at_once_unless_nothing_comes_of_it(tmp_path: Path) -> None:
    made = loaded(tmp_path, PIPELINE + f"    ledger: sqlite:{tmp_path / 'ledger.db'}", {"order.json": SCHEMA})
    with_ledger = Ledger(f"sqlite:{tmp_path / 'ledger.db'}").open(timeout=30)
    for name in ("again", "refused", "gone"):
        key = HopKey(name, "orders")
        record(with_ledger, settled(key, "dead", error="no"))
    broker = connect(made.pipeline, "test")
    broker.start(plan(made.pipeline))
    dead = Destination("", "orders.dlq")
    broker.publish([Outgoing(dead, name, b'{"n": 1}') for name in ("again", "refused", "gone")])
    broker.close()
    resend = Replay(made, Trail(tmp_path, "replay", "mended", by="ada"))
    delete = Drop(made, Trail(tmp_path, "drop", "a test", by="ada"))
    for on, letter in found(made, (), Filter()):
        if letter.id == "refused":
            nowhere = Outgoing(Destination("", "nowhere"), letter.id, b"{}")
            assert resend.send(on, letter, [nowhere]) != ""
        else:
            assert (resend if letter.id == "again" else delete).one(on, letter) == ""
    told = {name: journey.standing for name in ("again", "refused", "gone") if (journey := with_ledger.journey(name))}
    assert told == {"again": "accepted", "refused": "dead", "gone": "dropped"}
    with_ledger.close()


def test_where_the_ledger_can_not_be_written_nothing_is_done_and_the_trail_says_so(
    pipeline: LoadedPipeline, tmp_path: Path
) -> None:
    (tmp_path / "ledger.db").touch()  # without its tables
    made = loaded(tmp_path, PIPELINE + f"    ledger: sqlite:{tmp_path / 'ledger.db'}", {"order.json": SCHEMA})
    delete = Drop(made, Trail(tmp_path, "drop", "a test"))
    [(on, letters)] = [(on, letters) for on, letters in piles(made, (), Filter(), lambda: True)]
    with pytest.raises(RunnerError):
        delete.all(on, letters)
    assert left(pipeline) == ["good", "bad"]
    assert [("failed" in deed, deed["id"]) for deed in reversed(read_trail(tmp_path, 9))] == [
        (False, "good"),
        (False, "bad"),
        (True, "good"),
        (True, "bad"),
    ]


@pytest.mark.parametrize(
    ("where", "failed"),
    [
        ("_tell", "it was interrupted before it was begun"),
        ("settle_all", "it was interrupted, and may be done in whole or in part"),
    ],
)
def test_what_is_interrupted_is_written_down_as_far_as_it_is_known(
    pipeline: LoadedPipeline, monkeypatch: pytest.MonkeyPatch, where: str, failed: str
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    delete = Drop(pipeline, Trail(pipeline.pipeline.folder, "drop", "a test"))
    monkeypatch.setattr(EmbeddedShelf if where == "settle_all" else Account, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        [delete.all(on, letters) for on, letters in piles(pipeline, (), Filter(), lambda: True)]
    assert [deed.get("failed") for deed in read_trail(pipeline.pipeline.folder, 9)] == [failed, failed, None, None]


def test_a_queue_that_is_not_there_is_named_with_the_nearest_one(pipeline: LoadedPipeline) -> None:
    with pytest.raises(RunnerError, match=r"no queue 'order'.*did you mean 'orders'"):
        list(found(pipeline, ["order"], Filter()))
    with pytest.raises(TargetError, match="no queue or route 'order'"):
        router_to(pipeline, "order")
    assert router_to(pipeline, "POST /orders") is not None
