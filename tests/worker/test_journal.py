"""What a worker writes into the ledger: a journey that counts exactly, whatever is repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.postgres_node import PostgresNode
from runner import Message, Reject, Retry
from runner.engine import Engine
from runner.ledger.journey import Journey
from tests.dead_letters import dead_letters
from tests.waiting import wait_until
from tests.worker.handlers import Recorder
from tests.worker.remembering import Scripted, engine, journey, ledger_of, send, standing

LINE = "one: {consume: work, publish: out}\ntwo: {consume: out}"


def hops(running: Engine, message: str = "m1") -> list[tuple[str, str, str]]:
    found = journey(running, message)
    assert found is not None
    return sorted((hop.copy, hop.queue, hop.state) for hop in found.hops)


def done(running: Engine, message: str = "m1") -> Journey:
    wait_until(lambda: standing(running, message) == "done")
    found = journey(running, message)
    assert found is not None
    return found


def test_a_message_is_done_when_its_last_stage_has_handled_it(tmp_path: Path, ledger_url: str) -> None:
    with engine(tmp_path, ledger_url, LINE) as running:
        send(running, "m1")
        found = done(running)
    assert [(hop.queue, hop.stage, hop.publisher, hop.attempts) for hop in found.hops] == [
        ("work", "one", "", 1),
        ("out", "two", "one", 1),
    ]


def test_of_a_list_each_body_is_counted_and_again_where_they_come_again(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    Scripted.do = lambda message: [{"n": 1}, {"n": 2}, {"n": 3}] if message.queue == "work" else None
    with engine(tmp_path, ledger_url, LINE) as running:
        send(running, "m1")
        done(running)
        send(running, "m1")  # as after a crash between publish and ack
        wait_until(lambda: len(seen.messages) == 8)
        done(running)
        assert hops(running) == [("m1", "work", "handled"), *((f"m1.{n}", "out", "handled") for n in (1, 2, 3))]


def test_a_list_of_nothing_is_done(tmp_path: Path, ledger_url: str) -> None:
    Scripted.do = lambda message: []
    with engine(tmp_path, ledger_url, LINE) as running:
        send(running, "m1")
        done(running)
        assert hops(running) == [("m1", "work", "handled")]


def test_a_message_on_several_queues_is_done_when_all_of_them_are(tmp_path: Path, ledger_url: str) -> None:
    stages = "one: {consume: work, publish: [out, left, audit]}\ntwo: {consume: out}\nthree: {consume: left}"
    with engine(tmp_path, ledger_url, stages, queues="work, out, left, audit") as running:
        send(running, "m1")
        done(running)
        assert hops(running) == [
            ("m1", "audit", "left"),
            ("m1", "left", "handled"),
            ("m1", "out", "handled"),
            ("m1", "work", "handled"),
        ]


def test_where_two_ways_meet_both_copies_are_counted(tmp_path: Path, ledger_url: str, seen: Recorder) -> None:
    stages = """one: {consume: work, publish: [left, right]}
        two: {consume: left, publish: out}
        three: {consume: right, publish: out}
        four: {consume: out, once: true}"""
    with engine(tmp_path, ledger_url, stages, queues="work, left, right, out") as running:
        send(running, "m1")
        done(running)
        assert [hop[1:] for hop in hops(running)].count(("out", "handled")) == 2
        assert sum(message.queue == "out" for message in seen.messages) == 2
        send(running, "m1")
        wait_until(lambda: len(seen.messages) == 5 + 3)
        done(running)
        assert len(hops(running)) == 5
        assert sum(message.queue == "out" for message in seen.messages) == 2, "once, in each way"


def test_where_two_ways_meet_a_recorded_result_goes_the_same_way_again(
    tmp_path: Path, ledger_url: str, seen: Recorder
) -> None:
    stages = """one: {consume: work, publish: [left, right]}
        two: {consume: left, publish: out, once: true}
        three: {consume: right, publish: out, once: true}
        four: {consume: out, once: true}"""
    with engine(tmp_path, ledger_url, stages, queues="work, left, right, out") as running:
        send(running, "m1")
        done(running)
        send(running, "m1", queue="left")  # a redelivery of the second stage's
        send(running, "m2", queue="left")  # comes after it on every queue
        done(running, "m2")
        assert len(hops(running)) == 5
        assert sum(message.id == "m1" and message.queue == "out" for message in seen.messages) == 2


def test_each_round_of_a_cycle_is_counted(tmp_path: Path, ledger_url: str) -> None:
    Scripted.do = lambda message: {"n": message.body["n"] - 1} if message.queue == "work" else None
    again = "[{when: {properties: {n: {minimum: 1}}}, to: work}, {to: out}]"
    stages = f"one: {{consume: work, publish: {again}}}\ntwo: {{consume: out}}"
    with engine(tmp_path, ledger_url, stages) as running:
        send(running, "m1", body=b'{"n": 5}')
        done(running)
        assert [hop[1] for hop in hops(running)] == ["out"] + ["work"] * 5


def test_a_retry_waits_and_a_dead_letter_is_dead_with_why(
    tmp_path: Path, ledger_url: str, seen: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    def fail(message: Message) -> Any:
        raise Retry("the bank is away", delay=600) if message.id == "m1" else Reject("no such account")

    Scripted.do = fail
    with engine(tmp_path, ledger_url, LINE) as running:
        send(running, "m1", "m2")
        wait_until(lambda: [standing(running, name) for name in ("m1", "m2")] == ["waiting", "dead"])
        found = [journey(running, name) for name in ("m1", "m2")]
    [waiting], [dead] = [each.hops for each in found if each is not None]
    assert (waiting.error, waiting.attempts) == ("the bank is away", 1)
    assert waiting.next_at is not None
    assert 590 < waiting.next_at - waiting.changed_at < 610
    assert (dead.error, dead.attempts, dead.next_at) == ("no such account", 1, None)


def test_what_stages_record_is_of_the_copy_that_it_belongs_to(tmp_path: Path, ledger_url: str) -> None:
    stages = """one: {consume: work, publish: out, record: {payment: /kind, checked: yes, missing: /no}}
        two: {consume: out, record: {notification: sent}}"""
    Scripted.do = lambda message: {"kind": ["paid", 12.5]} if message.queue == "work" else None
    with engine(tmp_path, ledger_url, stages.replace("yes", "'yes'")) as running:
        send(running, "m1")
        found = done(running)
        Scripted.do = lambda message: [{"kind": "a"}, {"kind": "b"}] if message.queue == "work" else None
        send(running, "m2")
        several = done(running, "m2")
    assert found.facts == {"payment": ["paid", 12.5], "checked": "yes", "notification": "sent"}
    assert several.facts == {"payment": ["a", "b"], "checked": "yes", "notification": ["sent", "sent"]}


def test_a_card_number_that_is_recorded_by_mistake_is_masked(tmp_path: Path, ledger_url: str) -> None:
    Scripted.do = lambda message: {"note": "card 4111 1111 1111 1111"} if message.queue == "work" else None
    stages = "one: {consume: work, publish: out, record: {note: /note}}\ntwo: {consume: out}"
    with engine(tmp_path, ledger_url, stages) as running:
        send(running, "m1")
        found = done(running)
    assert found.facts == {"note": "card ••••1111"}


def test_while_the_ledger_is_away_stages_pause_and_then_go_on_and_nothing_is_lost(
    tmp_path: Path, postgres_node: PostgresNode, monkeypatch: pytest.MonkeyPatch, seen: Recorder
) -> None:
    monkeypatch.setattr("runner.ledger.writer.RETRY", 0.05)
    stages = "one: {consume: work, publish: out, once: true}\ntwo: {consume: out}"
    with engine(tmp_path, postgres_node.new_database(), stages) as running:
        send(running, *(f"a{n}" for n in range(50)))
        postgres_node.kill()
        try:
            send(running, *(f"b{n}" for n in range(50)))
            wait_until(lambda: _paused(running))
        finally:
            postgres_node.start()
        names = [f"{letter}{n}" for letter in "ab" for n in range(50)]
        wait_until(lambda: not ledger_of(running).away)
        wait_until(lambda: all(standing(running, name) == "done" for name in names))
    assert {message.id for message in seen.messages} == set(names)
    assert not dead_letters(f"embedded:{tmp_path / 'broker.db'}", "work")


def _paused(running: Engine) -> bool:
    return any(depth.paused for depth in running.broker.depths(["work", "out"]).values())


def test_what_is_to_be_recorded_when_it_stops_is_recorded_and_acked(tmp_path: Path, ledger_url: str) -> None:
    with engine(tmp_path, ledger_url, LINE) as running:
        send(running, *(f"m{n}" for n in range(300)))
    with engine(tmp_path, ledger_url, LINE) as again:
        wait_until(lambda: all(standing(again, f"m{n}") == "done" for n in range(300)))
        found = [journey(again, f"m{n}") for n in range(300)]
    assert {hop.attempts for each in found if each is not None for hop in each.hops} == {1}


def test_a_result_that_the_broker_refuses_at_first_is_counted_once(
    tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch, seen: Recorder
) -> None:
    with engine(tmp_path, ledger_url, "one: {consume: work, publish: out, once: true}\ntwo: {consume: out}") as running:
        settle: Callable[..., None] = running.broker.settle
        refused: list[str] = []

        def refuse_once(delivery: Any, messages: Any) -> None:
            if delivery.queue == "work" and delivery.id not in refused:
                refused.append(delivery.id)
                _refuse(running, delivery, messages)
            else:
                settle(delivery, messages)

        monkeypatch.setattr(running.broker, "settle", refuse_once)
        send(running, "m1")
        done(running)
        assert hops(running) == [("m1", "out", "handled"), ("m1", "work", "handled")]
    assert [message.queue for message in seen.messages] == ["work", "out"], "the handler is not called again"


def _refuse(running: Engine, delivery: Any, messages: Any) -> None:
    """As a broker does whose queue is full."""
    from runner.errors import PublishError

    subscription = running.broker._service.subscriptions[delivery.queue]  # type: ignore[attr-defined]
    subscription.consumer.settle_failed(delivery, PublishError([(message, "full") for message in messages]))
