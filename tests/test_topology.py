"""What a pipeline needs on its broker."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.message import Destination
from runner.pipeline import Binding, Exchange, Pipeline, Queue, Stage
from runner.retry import RetryPolicy
from runner.topology import PlannedQueue, Topology, binds, plan


def pipeline(*parts: Queue | Stage | Exchange) -> Pipeline:
    return Pipeline(
        name="test",
        file=Path("/there/pipeline.yaml"),
        broker=("embedded:/there/broker.db",),
        queues={part.name: part for part in parts if isinstance(part, Queue)},
        stages={part.name: part for part in parts if isinstance(part, Stage)},
        exchanges={part.name: part for part in parts if isinstance(part, Exchange)},
    )


def planned(topology: Topology) -> dict[str, PlannedQueue]:
    return {queue.name: queue for queue in topology.queues}


def test_a_queue_that_is_consumed_has_all_its_companions_and_the_dead_letters_stand_first() -> None:
    topology = plan(
        pipeline(
            Queue("q"), Stage("s", "q", "m:f", retry=RetryPolicy(attempts=3, delay=2.0, factor=3.0, max_delay=300.0))
        )
    )
    assert [(queue.name, queue.kind, queue.home) for queue in topology.queues] == [
        ("q.dlq", "dead", "q"),
        ("q", "work", "q"),
        ("q.quarantine", "quarantine", "q"),
        ("q.retry.2s", "retry", "q"),
        ("q.retry.6s", "retry", "q"),
    ]


def test_the_companions_of_a_renamed_queue_had_the_names_that_its_former_one_gave_them() -> None:
    stage = Stage("s", "q", "m:f", retry=RetryPolicy(attempts=2, delay=2.0, factor=3.0, max_delay=300.0))
    found = planned(plan(pipeline(Queue("q", was="old"), Queue("other"), stage)))
    assert {name: queue.was for name, queue in found.items()} == {
        "q.dlq": "old.dlq",
        "q": "old",
        "q.quarantine": "old.quarantine",
        "q.retry.2s": "old.retry.2s",
        "other": "",
        "other.dlq": "",
    }


def test_a_queue_that_nobody_here_consumes_has_dead_letters_only() -> None:
    assert list(planned(plan(pipeline(Queue("q"))))) == ["q.dlq", "q"]


def test_every_queue_but_the_dead_letters_says_where_a_message_goes_that_may_not_stay() -> None:
    found = planned(
        plan(
            pipeline(
                Queue("q"),
                Stage("s", "q", "m:f", retry=RetryPolicy(attempts=2, delay=2.0, factor=3.0, max_delay=300.0)),
            )
        )
    )
    assert {name: (queue.dead_letter_to, queue.delivery_limit, queue.wait) for name, queue in found.items()} == {
        "q.dlq": (None, None, None),
        "q": ("q.dlq", 20, None),
        "q.quarantine": ("q.dlq", 20, None),
        "q.retry.2s": ("q", None, 2.0),
    }


def test_only_the_work_queue_itself_is_of_its_type_and_length() -> None:
    found = planned(plan(pipeline(Queue("q", type="classic", max_length=5), Stage("s", "q", "m:f"))))
    assert (found["q"].type, found["q"].max_length) == ("classic", 5)
    assert {(q.type, q.max_length) for name, q in found.items() if name != "q"} == {("quorum", None)}


def test_what_a_work_queue_is_declared_with_does_not_change_when_stages_do() -> None:
    before = plan(pipeline(Queue("q"), Stage("s", "q", "m:f")))
    after = plan(
        pipeline(
            Queue("q"),
            Stage("t", "q", "m:g", concurrency=9, retry=RetryPolicy(attempts=9, delay=1, factor=3.0, max_delay=300.0)),
        )
    )
    alone = plan(pipeline(Queue("q")))
    assert planned(before)["q"] == planned(after)["q"] == planned(alone)["q"]


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
