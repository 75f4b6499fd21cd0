"""What is wrong, or doubtful, in a pipeline that the grammar allows."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.files import check_problems, problems_of

TAKE = "handler: tests.config.handlers:take"

LINE = f"""
http: {{routes: {{POST /in: {{publish: a}}}}}}
queues: {{a: {{schema: any.json}}, b: {{}}, c: {{}}}}
stages:
  one: {{consume: a, {TAKE}, publish: b}}
  two: {{consume: b, {TAKE}, publish: c}}
  end: {{consume: c, {TAKE}}}
"""


@pytest.fixture(autouse=True)
def any_schema(folder: Path) -> None:
    (folder / "any.json").write_text("true")


def test_a_line_of_queues_and_stages_has_no_problems() -> None:
    assert problems_of(LINE) == []


def changed(old: str, new: str, more: str = "") -> str:
    assert old in LINE
    return LINE.replace(old, new) + more


# -- names --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("publish: b}", "publish: ¦bb}"), "stage one publishes to 'bb', which no queue declares (did you mean 'b'?)"),
        (changed("publish: b}", "publish: [b, ¦zz]}"), "stage one publishes to 'zz', which no queue declares; add it under queues"),
        (changed("publish: b}", "publish: [{to: [b, ¦zz]}]}"), "stage one publishes to 'zz', which no queue declares; add it under queues"),
        (changed("publish: a}", "publish: ¦A}"), "route POST /in publishes to 'A', which no queue declares (did you mean 'a'?)"),
        (changed("consume: a", "consume: ¦zz"), "stage one consumes 'zz', which no queue declares; add it under queues"),
        (changed("publish: b}", "publish: [{to: [b, {exchange: ¦ev}]}]}", "exchanges: {events: {type: fanout}}"), "stage one publishes to 'ev', which no exchange declares; add it under exchanges"),
        (changed("b: {}", "b: {bind: [{exchange: ¦event}]}", "exchanges: {events: {type: fanout}}"), "queue b binds to 'event', which no exchange declares (did you mean 'events'?)"),
        (changed("c: {}}", "c: {}, ¦a.dlq: {}}"), "queue a.dlq has a name that the runner gives to a companion of a; choose another"),
        (changed("c: {}}", "c: {}, ¦a.quarantine: {}}"), "queue a.quarantine has a name that the runner gives to a companion of a; choose another"),
        (changed("c: {}}", "c: {}, ¦a.retry.5s: {}}"), "queue a.retry.5s has a name that the runner gives to a companion of a; choose another"),
        (changed("POST /in: {publish: a}", "POST /in: {publish: a}, ¦POST /health: {publish: a}"), "route POST /health: /health is where the runner tells whether it is well; choose another path"),
        (changed("POST /in: {publish: a}", "POST /in: {publish: a}, ¦PUT /health/x: {publish: a}"), "route PUT /health/x: /health is where the runner tells whether it is well; choose another path"),
        (changed("POST /in: {publish: a}", "POST /in: {publish: a}, ¦POST /in/: {publish: a}"), "route POST /in/ is the same as POST /in, but for the '/' at the end; remove one"),
        (changed("publish: b}", "publish: [b, ¦b]}"), "stage one publishes to 'b' twice; remove one"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_fit_is_an_error(marked: str, message: str) -> None:
    check_problems(marked, [message], "error")


def test_one_path_may_take_several_methods() -> None:
    assert problems_of(changed("POST /in: {publish: a}", "POST /in: {publish: a}, PUT /in: {publish: a}")) == []


def test_a_misspelt_name_does_not_make_its_queue_look_unused() -> None:
    assert [problem.severity for problem in problems_of(changed("publish: b}", "publish: bb}"))] == ["error"]


# -- queues and stages --------------------------------------------------------------


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("consume: b", "consume: ¦a", ""), "queue a is consumed by stage one already, and each message would go to only one of the two; publish to two queues instead"),
        (changed("b: {}", "b: {type: classic, ¦delivery_limit: 9}"), "queue b: a classic queue has no delivery_limit; remove it, or the type"),
        (changed("b: {}", "b: {delivery_limit: ¦5}"), "queue b has a delivery_limit of 5, and stage two makes 5 attempts; the limit must be more than the attempts"),
        (changed("consume: b", "retry: {attempts: ¦20, factor: 1}, consume: b"), "queue b has a delivery_limit of 20, and stage two makes 20 attempts; the limit must be more than the attempts"),
        (changed("consume: b", "retry: {attempts: ¦15, factor: 1.1}, consume: b"), "stage two: retry has 14 different waits, each of which is a queue; 12 are the most: raise factor, or lower attempts or max_delay"),
        (changed("consume: b", "retry: {delay: ¦10m}, consume: b"), "stage two: retry.delay 10m is longer than max_delay 5m; lower it or raise max_delay"),
        (changed("stages:", "defaults: {retry: {delay: ¦10m}}\nstages:"), "defaults: retry.delay 10m is longer than max_delay 5m; lower it or raise max_delay"),
        (changed("stages:", "mailbox: {listen: ¦127.0.0.1:5000}\nstages:"), "mailbox and http both listen on port 5000; give one of them another"),
        (changed("stages:", "mailbox: {listen: ¦0.0.0.0:5000}\nstages:"), "mailbox and http both listen on port 5000; give one of them another"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_an_error(marked: str, message: str) -> None:
    check_problems(marked, [message], "error")


def test_twelve_waits_are_not_too_many() -> None:
    assert problems_of(changed("consume: b", "retry: {attempts: 13, factor: 1.1}, consume: b")) == []


def test_as_many_attempts_as_one_likes_fit_where_the_wait_stays_the_same() -> None:
    text = changed("consume: b", "retry: {attempts: 99, factor: 1}, consume: b").replace(
        "b: {}", "b: {delivery_limit: 100}"
    )
    assert problems_of(text) == []


def test_two_ports_that_the_system_chooses_do_not_clash() -> None:
    assert problems_of(changed("http: {", "mailbox: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0, ")) == []


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("consume: b", "concurrency: 4, prefetch: ¦3, consume: b"), "stage two: prefetch 3 is less than concurrency 4, which leaves slots idle; raise it"),
        (changed("a: {schema: any.json}", "a: {}").replace("publish: a", "publish: ¦a"), "route POST /in publishes to 'a', which has no schema: any body is taken"),
        (changed("publish: b}", "publish: [{to: b}, ¦{to: c}]}"), "stage one: this route is never reached, for the one before it takes every body"),
        (changed("publish: b}", "publish: [{when: true, to: b}, ¦{to: c}]}"), "stage one: this route is never reached, for the one before it takes every body"),
        (changed("publish: b}", "publish: [{to: b}, ¦{when: {required: [x]}, to: c}]}"), "stage one: this route is never reached, for the one before it takes every body"),
        (changed("publish: b}", "publish: [{¦when: {required: [x]}, to: b}]}"), "stage one: a body that matches no route is dead-lettered; end with a route without 'when'"),
        (changed("publish: a}", "publish: [{¦when: {required: [x]}, to: a}]}"), "route POST /in: a body that matches no route is refused; end with a route without 'when'"),
        (changed("c: {}}", "c: {}, ¦d: {}}"), "queue d is used by nothing; remove it, or consume it and publish to it"),
        (changed(f"  end: {{consume: c, {TAKE}}}\n", "").replace("c: {}", "¦c: {}"), "queue c is consumed by no stage: its messages stay where they are"),
        (changed(", publish: c", "").replace("c: {}", "¦c: {}"), "queue c is fed by nothing in this file: no stage or route publishes to it"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_a_warning(marked: str, message: str) -> None:
    check_problems(marked, [message], "warning")


# -- exchanges ------------------------------------------------------------------------

TOPIC = "exchanges: {events: {type: topic}}\n"


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
        (changed("c: {}", "c: {bind: [¦{exchange: events}]}", TOPIC), "the topic exchange 'events' goes by the key; add 'key'", "error"),
        (changed("publish: c}", "publish: [{to: [c, ¦{exchange: events}]}]}", TOPIC), "the topic exchange 'events' goes by the key; add 'key'", "error"),
    ],
)  # fmt: skip
def test_an_exchange_that_leads_nowhere_is_pointed_out(marked: str, message: str, severity: str) -> None:
    check_problems(marked, [message], severity)


def test_a_fanout_exchange_needs_no_key() -> None:
    text = changed("c: {}", "c: {bind: [{exchange: fan}]}", "exchanges: {fan: {type: fanout}}\n")
    assert problems_of(text.replace("publish: c}", "publish: [{to: {exchange: fan}}]}")) == []


# -- cycles -------------------------------------------------------------------------


def test_a_circle_that_no_route_leaves_is_an_error() -> None:
    marked = (
        changed("publish: c}", "publish: ¦a}").replace(f"  end: {{consume: c, {TAKE}}}\n", "").replace(", c: {}", "")
    )
    message = "messages go round in a cycle that no route leaves: b → a → b; give one of its stages a way out"
    check_problems(marked, [message], "error")


def test_a_stage_that_publishes_to_its_own_queue_only_is_a_circle() -> None:
    marked = (
        changed("publish: c}", "publish: ¦b}").replace(f"  end: {{consume: c, {TAKE}}}\n", "").replace(", c: {}", "")
    )
    message = "messages go round in a cycle that no route leaves: b → b; give one of its stages a way out"
    check_problems(marked, [message], "error")


def test_a_circle_with_a_way_out_is_doubtful_at_the_route_that_leads_back() -> None:
    marked = changed("publish: c}", "publish: [{when: {required: [again]}, to: ¦a}, {to: c}]}")
    check_problems(marked, ["messages can go round in a cycle here: b → a → b"], "warning")
    assert [problem.severity for problem in problems_of(marked.replace("¦", ""))] == ["warning"]


def test_two_circles_are_told_apart() -> None:
    text = changed("publish: b}", "publish: [a, b]}").replace("publish: c}", "publish: [b, c]}")
    found = [problem.message for problem in problems_of(text)]
    assert found == [f"messages can go round in a cycle here: {q} → {q}" for q in "ab"]


# -- several at once ------------------------------------------------------------------


def test_everything_is_reported_at_once_in_the_order_of_the_file() -> None:
    marked = changed("b: {}", "b: {¦size: 5, type: ¦quick}").replace("publish: c}", "publish: ¦d, settings: {¦x: 1}}")
    marked = marked.replace("http: {", "http: {listen: ¦x, ")
    expected = [
        "http.listen is 'x', but must be host:port, such as 127.0.0.1:5000 (this machine only), 0.0.0.0:5000 (every network) or \"[::1]:5000\"",
        "queue b: unknown key 'size'; known here: schema, type, max_length, delivery_limit and bind",
        "queue b: type is 'quick', but must be quorum or classic",
        "stage two publishes to 'd', which no queue declares; add it under queues",
        "stage two: take has no setting 'x'; it takes none",
    ]
    check_problems(marked, expected, "error")


def test_a_gap_in_the_wiring_makes_no_queue_look_unused() -> None:
    text = changed("publish: c}", "publish: 5}")
    assert [problem.message for problem in problems_of(text)] == [
        "stage two: publish is 5, but must be a queue's name, a list of names, or a list of routes such as {when: {required: [refusal]}, to: refused}"
    ]


def test_a_fault_elsewhere_hides_no_doubts_about_the_wiring() -> None:
    text = changed("c: {}}", "c: {}, d: {}}").replace("http: {", "http: {listen: x, ")
    assert [problem.severity for problem in problems_of(text)] == ["error", "warning"]
