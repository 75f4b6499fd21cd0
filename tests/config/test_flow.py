"""Which way messages go: queues that nothing feeds, exchanges that lead nowhere, cycles."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

import pytest

from tests.config.files import LINE, TAKE, changed, check_problems, problems_of

pytestmark = pytest.mark.usefixtures("any_schema")


TOPIC = "exchanges: {events: {type: topic}}\n"


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("c: {}}", "c: {}, ¦d: {}}"), "queue d is used by nothing; remove it, or consume it and publish to it"),
        (changed(f"  end: {{consume: c, {TAKE}}}\n", "").replace("c: {}", "¦c: {}"), "queue c is consumed by no stage: its messages stay where they are; if another program takes them, add 'external: true'"),
        (changed(", publish: c", "").replace("c: {}", "¦c: {}"), "queue c is fed by nothing in this file: no stage or route publishes to it; if another program does, add 'external: true'"),
    ],
)  # fmt: skip
def test_a_queue_that_leads_from_or_to_nothing_is_doubtful(marked: str, message: str) -> None:
    check_problems(marked, [message], "warning")


@pytest.mark.parametrize(
    "text",
    [
        changed("c: {}}", "c: {}, d: {external: true}}"),
        changed(f"  end: {{consume: c, {TAKE}}}\n", "").replace("c: {}", "c: {external: true}"),
        changed(", publish: c", "").replace("c: {}", "c: {external: true}"),
    ],
)
def test_a_queue_that_other_programs_use_needs_nobody_here(text: str) -> None:
    assert problems_of(text) == []


def test_a_queue_that_is_bound_to_an_exchange_is_fed() -> None:
    assert (
        problems_of(
            changed("c: {}", "c: {bind: [{exchange: events, key: 'order.*'}]}", TOPIC).replace(", publish: c", "")
        )
        == []
    )


def test_a_queue_that_is_reached_by_an_exchange_is_fed() -> None:
    text = changed("publish: c}", "publish: [{to: {exchange: events, key: order.x}}]}", TOPIC)
    assert problems_of(text.replace("c: {}", "c: {bind: [{exchange: events, key: 'order.*'}]}")) == []


@pytest.mark.parametrize(
    ("marked", "message", "severity"),
    [
        (changed("c: {}", "c: {bind: [{exchange: events, key: 'order.*'}]}", TOPIC).replace("publish: c}", "publish: [{to: [c, ¦{exchange: events, key: x}]}]}"), "stage two publishes to the exchange 'events' with the key 'x', which leads to no queue of this file; unless another program binds one, each publish is refused", "warning"),
        (LINE + TOPIC.replace("events", "¦events"), "exchange events is used by nothing; remove it, or bind a queue to it", "warning"),
    ],
)  # fmt: skip
def test_an_exchange_that_leads_nowhere_is_pointed_out(marked: str, message: str, severity: str) -> None:
    check_problems(marked, [message], severity)


def test_a_cycle_that_no_route_leaves_is_an_error() -> None:
    marked = (
        changed("publish: c}", "publish: ¦a}").replace(f"  end: {{consume: c, {TAKE}}}\n", "").replace(", c: {}", "")
    )
    message = "messages go round in a cycle that no route leaves: b → a → b; give one of its stages a way out"
    check_problems(marked, [message], "error")


def test_a_stage_that_publishes_to_its_own_queue_only_is_a_cycle() -> None:
    marked = (
        changed("publish: c}", "publish: ¦b}").replace(f"  end: {{consume: c, {TAKE}}}\n", "").replace(", c: {}", "")
    )
    message = "messages go round in a cycle that no route leaves: b → b; give one of its stages a way out"
    check_problems(marked, [message], "error")


def test_a_cycle_with_a_way_out_is_doubtful_at_the_route_that_leads_back() -> None:
    marked = changed("publish: c}", "publish: [{when: {required: [again]}, to: ¦a}, {to: c}]}")
    check_problems(marked, ["messages can go round in a cycle here: b → a → b"], "warning")
    assert [problem.severity for problem in problems_of(marked.replace("¦", ""))] == ["warning"]


def test_two_cycles_are_told_apart() -> None:
    text = changed("publish: b}", "publish: [a, b]}").replace("publish: c}", "publish: [b, c]}")
    found = [problem.message for problem in problems_of(text)]
    assert found == [f"messages can go round in a cycle here: {q} → {q}" for q in "ab"]
