"""What is wrong, or doubtful, in a pipeline that the grammar allows."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

import pytest

from tests.config.files import LINE, changed, check_problems, problems_of

pytestmark = pytest.mark.usefixtures("any_schema")


def test_a_line_of_queues_and_stages_has_no_problems() -> None:
    assert problems_of(LINE) == []


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
        (changed("b: {}", "b: {was: ¦b}"), "queue b: was is its own name; name the one that it had before, or remove this"),
        (changed("b: {}", "b: {was: ¦a}"), "queue b: was is a, which this file still uses; only a queue that it no longer names can be moved"),
        (changed("b: {}", "b: {was: ¦a.dlq}"), "queue b: was is a.dlq, which this file still uses; only a queue that it no longer names can be moved"),
        (changed("b: {}, c: {}", "b: {was: old}, c: {was: ¦old}"), "queue c: was is old, as it is of queue b; its messages can go to one of them only"),
        (changed("b: {}", "b: {was: ¦a b}"), "queue b: was is 'a b', but must be the queue's former name: letters, digits, '_', '-', '.' and ':', at most 200"),
        (changed("POST /in: {publish: a}", "POST /in: {publish: a}, ¦POST /health: {publish: a}"), "route POST /health: /health is where the runner tells whether it is well; choose another path"),
        (changed("POST /in: {publish: a}", "POST /in: {publish: a}, ¦PUT /health/x: {publish: a}"), "route PUT /health/x: /health is where the runner tells whether it is well; choose another path"),
        (changed("POST /in: {publish: a}", "POST /in: {publish: a}, ¦POST /in/: {publish: a}"), "route POST /in/ is the same as POST /in, but for the '/' at the end; remove one"),
        (changed("POST /in: {publish: a}", "POST /in: {publish: a, auth: api_key, status: '/m/{id}'}, PUT /in: {publish: a, status: ¦'/m/{id}'}", "ledger: sqlite:l.db"), "route PUT /in: status /m/{id} is also that of POST /in, and only one of them asks for an API key; give them different paths"),
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
        (changed("consume: b", "consume: ¦a", ""), "queue a is already consumed by stage one, and each message would go to only one of the two; publish to two queues instead"),
        (changed("b: {}", "b: {type: classic, ¦delivery_limit: 9}"), "queue b: a classic queue has no delivery_limit; remove it, or the type"),
        (changed("stages:", "mailbox: {listen: ¦127.0.0.1:5000}\nstages:"), "mailbox and http both listen on port 5000; give one of them another"),
        (changed("stages:", "mailbox: {listen: ¦0.0.0.0:5000}\nstages:"), "mailbox and http both listen on port 5000; give one of them another"),
        (changed("stages:", "health: {listen: ¦127.0.0.1:5000}\nstages:"), "health and http both listen on port 5000; give one of them another"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_an_error(marked: str, message: str) -> None:
    check_problems(marked, [message], "error")


def test_two_ports_that_the_system_chooses_do_not_clash() -> None:
    assert problems_of(changed("http: {", "mailbox: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0, ")) == []


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("a: {schema: any.json}", "a: {}").replace("publish: a", "publish: ¦a"), "route POST /in publishes to 'a', which has no schema: any body is taken"),
        (changed("publish: b}", "publish: [{to: b}, ¦{to: c}]}"), "stage one: this route is never reached, because the one before it takes every body"),
        (changed("publish: b}", "publish: [{when: true, to: b}, ¦{to: c}]}"), "stage one: this route is never reached, because the one before it takes every body"),
        (changed("publish: b}", "publish: [{to: b}, ¦{when: {required: [x]}, to: c}]}"), "stage one: this route is never reached, because the one before it takes every body"),
        (changed("publish: b}", "publish: [{¦when: {required: [x]}, to: b}]}"), "stage one: a body that matches no route is dead-lettered; end with a route without 'when'"),
        (changed("publish: a}", "publish: [{¦when: {required: [x]}, to: a}]}"), "route POST /in: a body that matches no route is refused; end with a route without 'when'"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_a_warning(marked: str, message: str) -> None:
    check_problems(marked, [message], "warning")


TOPIC = "exchanges: {events: {type: topic}}\n"


@pytest.mark.parametrize(
    "marked",
    [
        changed("c: {}", "c: {bind: [¦{exchange: events}]}", TOPIC),
        changed("publish: c}", "publish: [{to: [c, ¦{exchange: events}]}]}", TOPIC),
    ],
)
def test_an_exchange_that_goes_by_the_key_wants_one(marked: str) -> None:
    check_problems(marked, ["the topic exchange 'events' routes by key; add 'key'"], "error")


def test_a_fanout_exchange_needs_no_key() -> None:
    text = changed("c: {}", "c: {bind: [{exchange: fan}]}", "exchanges: {fan: {type: fanout}}\n")
    assert problems_of(text.replace("publish: c}", "publish: [{to: {exchange: fan}}]}")) == []
