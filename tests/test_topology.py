"""What a pipeline needs on its broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.message import Destination
from runner.pipeline import Binding, Exchange, Pipeline, Queue, Stage
from runner.retry import RetryPolicy
from runner.topology import Topology, binds, plan

DEAD_LETTERED_SAFELY = {
    "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


def pipeline(*parts: Queue | Stage | Exchange) -> Pipeline:
    return Pipeline(
        name="test",
        file=Path("/there/pipeline.yaml"),
        broker=("embedded:/there/broker.db",),
        queues={part.name: part for part in parts if isinstance(part, Queue)},
        stages={part.name: part for part in parts if isinstance(part, Stage)},
        exchanges={part.name: part for part in parts if isinstance(part, Exchange)},
    )


def arguments(topology: Topology) -> dict[str, Any]:
    return {queue.name: dict(queue.arguments) for queue in topology.queues}


def test_a_queue_that_is_consumed_has_all_its_companions_and_the_dead_letters_stand_first() -> None:
    topology = plan(pipeline(Queue("q"), Stage("s", "q", "m:f", retry=RetryPolicy(attempts=3))))
    assert [(queue.name, queue.kind, queue.home) for queue in topology.queues] == [
        ("q.dlq", "dead", "q"),
        ("q", "work", "q"),
        ("q.quarantine", "quarantine", "q"),
        ("q.retry.2s", "retry", "q"),
        ("q.retry.6s", "retry", "q"),
    ]


def test_a_queue_that_nobody_here_consumes_has_dead_letters_only() -> None:
    assert list(arguments(plan(pipeline(Queue("q"))))) == ["q.dlq", "q"]


def test_no_queue_lets_a_message_fall_on_the_way_to_another() -> None:
    found = arguments(plan(pipeline(Queue("q"), Stage("s", "q", "m:f", retry=RetryPolicy(attempts=2)))))
    assert found["q.dlq"] == {"x-queue-type": "quorum"}
    assert (
        found["q"]
        == found["q.quarantine"]
        == {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-dead-letter-routing-key": "q.dlq",
            **DEAD_LETTERED_SAFELY,
        }
    )
    assert found["q.retry.2s"] == {
        "x-queue-type": "quorum",
        "x-message-ttl": 2000,
        "x-dead-letter-routing-key": "q",
        **DEAD_LETTERED_SAFELY,
    }


def test_a_classic_queue_has_no_delivery_limit_and_its_quarantine_counts() -> None:
    found = arguments(plan(pipeline(Queue("q", type="classic", max_length=5), Stage("s", "q", "m:f"))))
    assert found["q"] == {"x-queue-type": "classic", "x-overflow": "reject-publish", "x-max-length": 5}
    assert found["q.quarantine"]["x-queue-type"] == "quorum"


def test_what_a_work_queue_is_declared_with_does_not_change_when_stages_do() -> None:
    before = plan(pipeline(Queue("q"), Stage("s", "q", "m:f")))
    after = plan(pipeline(Queue("q"), Stage("t", "q", "m:g", concurrency=9, retry=RetryPolicy(attempts=9, delay=1))))
    alone = plan(pipeline(Queue("q")))
    assert arguments(before)["q"] == arguments(after)["q"] == arguments(alone)["q"]


def test_a_retry_waits_on_the_rung_of_its_delay() -> None:
    topology = plan(pipeline(Queue("q"), Stage("s", "q", "m:f")))
    assert topology.rungs == {"q": (2.0, 6.0, 18.0, 54.0)}
    assert topology.retry_queue("q", 6.0) == "q.retry.6s"
    assert topology.retry_queue("q", 30.0) == "q.retry.54s"


# -- exchanges ------------------------------------------------------------------------


def test_a_destination_leads_to_the_queues_that_are_bound_to_it_each_once() -> None:
    bind = (Binding("events", "order.*"), Binding("events", "#"), Binding("fan"))
    topology = plan(
        pipeline(
            Exchange("events", "topic"),
            Exchange("direct", "direct"),
            Exchange("fan", "fanout"),
            Queue("all", bind=bind),
            Queue("one", bind=(Binding("direct", "x"), Binding("events", "order.paid"))),
        )
    )
    assert topology.queues_of(Destination("", "all")) == ("all",)
    assert topology.queues_of(Destination("events", "order.paid")) == ("all", "one")
    assert topology.queues_of(Destination("events", "other")) == ("all",)
    assert topology.queues_of(Destination("direct", "x")) == ("one",)
    assert topology.queues_of(Destination("direct", "y")) == ()
    assert topology.queues_of(Destination("fan", "whatever")) == ("all",)


@pytest.mark.parametrize(
    ("binding", "key", "taken"),
    [
        ("order.paid", "order.paid", True),
        ("order.paid", "order.paid.late", False),
        ("order.*", "order.paid", True),
        ("order.*", "order", False),
        ("order.*", "order.paid.late", False),
        ("order.#", "order", True),
        ("order.#", "order.paid.late", True),
        ("#.late", "late", True),
        ("#.late", "order.paid.late", True),
        ("*.late", "late", False),
        ("#", "", True),
        ("#", "a.b", True),
        ("*", "", True),
        ("*", "a", True),
        ("*", "a.b", False),
        ("", "", True),
        ("", "a", False),
        ("a.*.#", "a", False),
        ("a.*.#", "a.b", True),
        ("#.#", "", True),
        ("a+b", "aab", False),
        ("a.#.b", "a.b", True),
        ("a.#.b", "a.x.y.b", True),
        ("*.*", ".", True),
    ],
)
def test_a_topic_takes_a_key_word_by_word(binding: str, key: str, taken: bool) -> None:
    assert binds("topic", binding, key) == taken


WORDS = st.lists(st.sampled_from(["a", "b", "*", "#", ""]), min_size=1, max_size=4)


@given(WORDS, st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=5))
def test_a_topic_takes_what_matching_word_by_word_takes(binding: list[str], key: list[str]) -> None:
    def takes(left: list[str], words: list[str]) -> bool:
        if not left:
            return not words
        if left[0] == "#":
            return any(takes(left[1:], words[skipped:]) for skipped in range(len(words) + 1))
        return bool(words) and left[0] in ("*", words[0]) and takes(left[1:], words[1:])

    assert binds("topic", ".".join(binding), ".".join(key)) == takes(binding, key)
