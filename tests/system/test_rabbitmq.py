"""What only happens with a broker on the network: it dies, it refuses, it loses a queue."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any

import pika
import pytest

from bench.rabbitmq_node import RabbitNode
from tests.system.conftest import Start
from tests.system.program import PIPELINE, Program
from tests.system.test_promises import post_in_background
from tests.waiting import wait_until


@pytest.fixture
def broker_url(vhost_url: str) -> str:
    """Only RabbitMQ here."""
    return vhost_url


def test_the_broker_is_killed_under_load_and_nothing_is_lost(
    rabbit_node: RabbitNode, prepare: Start, vhost: str
) -> None:
    program = prepare()
    program.start()
    accepted: set[int] = set()
    posting = post_in_background(program, range(1500), accepted)
    wait_until(lambda: len(program.done()) > 100)
    rabbit_node.kill()
    wait_until(lambda: program.answers("/health/ready") == 503)
    assert program.post({"n": -1}).status == 503
    rabbit_node.start()
    wait_until(lambda: program.answers("/health/ready") == 200)
    posting.join()
    assert program.post({"n": 5000}).status == 202
    program.wait_done(accepted | {5000})
    program.wait_settled()
    assert "the connection to the broker is lost" in program.log
    assert len(program.worker_pids()) == 1, "the worker lived through it"


def test_connections_that_are_closed_come_back_with_their_consumers(
    rabbit_node: RabbitNode, program: Program, vhost: str
) -> None:
    for n in range(3):
        program.post({"n": n})
        program.wait_done([n])
        rabbit_node.close_connections(vhost)
        wait_until(partial(_has_logged, program, "connected to", 2 * (n + 1)))
        wait_until(lambda: program.answers("/health/ready") == 200)
    program.post({"n": 99})
    program.wait_done([99])


def test_beside_a_silent_broker_health_answers_at_once_and_says_so(rabbit_node: RabbitNode, program: Program) -> None:
    wait_until(lambda: program.answers("/health/pipeline") == 200)
    with rabbit_node.frozen():
        wait_until(lambda: program.answers("/health/ready") == 503)
        assert program.answers("/health/live") == 200
        assert "the broker" in program.request("GET", "/health/pipeline").body["detail"]
    wait_until(lambda: program.answers("/health/ready") == program.answers("/health/pipeline") == 200)


def test_stopping_hangs_up_on_the_broker_in_good_order(rabbit_node: RabbitNode, program: Program, vhost: str) -> None:
    """RabbitMQ warns of every connection that isn't closed."""
    program.post({"n": 1})
    program.wait_done([1])
    wait_until(lambda: len(rabbit_node.connections(vhost)) == 2)  # the intake's and the worker's
    program.stop()
    wait_until(lambda: not rabbit_node.connections(vhost))
    assert vhost not in rabbit_node.warnings()


def test_a_queue_deleted_under_a_running_publisher_is_503_until_it_is_back(
    rabbit_node: RabbitNode, prepare: Start, vhost: str
) -> None:
    program = prepare()
    program.start("--only", "intake")
    assert program.post({"n": 1}).status == 202
    rabbit_node.api("DELETE", f"/queues/{vhost}/first")
    answer = program.post({"n": 2})
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
    wait_until(lambda: program.post({"n": 3}).status == 202)
    program.stop()
    program.start()
    program.wait_done([3])
    program.wait_settled()
    assert 2 not in program.done()


def test_a_queue_deleted_under_its_consumer_is_declared_and_consumed_again(
    rabbit_node: RabbitNode, program: Program, vhost: str
) -> None:
    program.post({"n": 1, "do": {"one": "sleep 0.5"}})
    wait_until(lambda: program.notes)
    rabbit_node.api("DELETE", f"/queues/{vhost}/first")
    wait_until(lambda: "has cancelled the consumer of first" in program.log)
    wait_until(lambda: program.post({"n": 2}).status == 202)
    program.wait_done([1, 2])  # the first was in hand: deleting its queue doesn't lose it


def test_a_full_queue_down_the_line_loses_nothing(prepare: Start) -> None:
    narrow = PIPELINE.replace("second: {schema: body.json}", "second: {schema: body.json, max_length: 2}")
    program = prepare(narrow.replace("attempts: 3", "attempts: 10"))
    program.start("--only", "intake", "--only", "one")
    accepted = {n for n in range(20) if program.post({"n": n}).status == 202}
    wait_until(lambda: "the result could not be published" in program.log)
    program.stop()
    program.start()
    program.wait_done(accepted)
    program.wait_settled()


def test_a_blocked_broker_is_503_until_it_takes_messages_again(rabbit_node: RabbitNode, prepare: Start) -> None:
    program = prepare(PIPELINE.replace("confirm_timeout: 60s", "confirm_timeout: 2s"))
    program.start()
    rabbit_node.block()
    try:
        # A connection learns that it is blocked once it publishes: the first one asks.
        wait_until(lambda: program.post({"n": 1}).status == 503 and program.answers("/health/ready") == 503)
    finally:
        rabbit_node.unblock()
    wait_until(lambda: program.answers("/health/ready") == 200)
    wait_until(lambda: program.post({"n": 2}).status == 202)
    program.wait_done([2])


def test_a_stuck_handler_does_not_cost_the_connection(prepare: Start, vhost_url: str) -> None:
    program = prepare(broker=f"{vhost_url}?heartbeat=3")
    program.start()
    program.post({"n": 1, "do": {"one": "sleep 10"}})  # three heartbeats and more
    program.wait_done([1])
    program.wait_settled()
    assert "lost" not in program.log
    assert [note.n for note in program.notes if note.stage == "one"] == [1]


def test_the_broker_may_come_up_later_than_the_pipeline(rabbit_node: RabbitNode, prepare: Start, vhost: str) -> None:
    program = prepare()
    rabbit_node.stop()
    try:
        program.start(up=False)
        wait_until(lambda: program.log.count("waiting for the broker") == 2)
        wait_until(lambda: program.answers("/health/live") == 200)
        assert program.answers("/health/ready") == 503
        assert program.post({"n": 1}).status == 503
    finally:
        rabbit_node.start()
    wait_until(lambda: "is up after" in program.log)
    assert program.post({"n": 2}).status == 202
    program.wait_done([2])


def test_of_several_nodes_the_one_that_answers_is_taken(prepare: Start, rabbit_node: RabbitNode, vhost: str) -> None:
    alive = rabbit_node.url(vhost)
    dead = alive.replace(f":{rabbit_node.port}/", ":1/")
    program = prepare(PIPELINE.replace('broker: "BROKER"', f'broker: ["{dead}", "{alive}", "{dead}"]'))
    program.start()
    program.post({"n": 1})
    program.wait_done([1])


def _has_logged(program: Program, text: str, times: int) -> bool:
    return program.log.count(text) == times


Refusal = Callable[[RabbitNode, str], str]


def told(program: Program) -> list[str]:
    """What it says to an operator; on a busy machine, that it takes a moment to stop as well."""
    return [line for line in program.log.splitlines() if "stopping, within" not in line]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            lambda node, vhost: node.url(vhost).replace("guest:guest", "guest:wrong"),
            "refuses the user name or the password",
        ),
        (lambda node, vhost: node.url("no-such-vhost"), "refuses access to the virtual host"),
        (lambda node, vhost: node.url(vhost) + "?hartbeat=5", "did you mean 'heartbeat'?"),
    ],
    ids=["password", "vhost", "parameter"],
)
def test_a_broker_that_refuses_ends_the_run_with_one_line(
    rabbit_node: RabbitNode, prepare: Start, vhost: str, url: Refusal, reason: str
) -> None:
    program = prepare(broker=url(rabbit_node, vhost))
    program.start(up=False)
    assert program.end() == 1
    assert reason in program.log
    assert len(told(program)) == 1
    assert "wrong" not in program.log, "no password in the log"


def test_a_queue_that_exists_with_other_arguments_is_reported_with_both_values(prepare: Start) -> None:
    first = prepare()
    first.start()
    first.stop()
    second = prepare(
        PIPELINE.replace("first: {schema: body.json}", "first: {schema: body.json, max_length: 7}"),
        broker=first.broker,
    )
    second.start(up=False)
    assert second.end() == 1
    (line,) = told(second)
    assert (
        "queue 'first' exists on the broker with other arguments: x-max-length is none there, and '7'"
        in line.replace("and 7 in", "and '7' in")
    )
    assert "runner apply --migrate" in line


def test_the_queues_and_their_companions_are_quorum_queues(
    rabbit_node: RabbitNode, program: Program, vhost: str
) -> None:
    queues = rabbit_node.queues(vhost)
    companions = {f"{home}{end}" for home in ("first", "second") for end in ("", ".dlq", ".quarantine")}
    companions |= {f"{home}.retry.{wait}" for home in ("first", "second") for wait in ("200ms", "400ms")}
    durable = {name: queue for name, queue in queues.items() if not queue["exclusive"]}
    assert set(durable) == companions
    assert {queue["type"] for queue in durable.values()} == {"quorum"}


def test_where_even_the_dead_letters_are_refused_the_message_is_held_until_they_are_taken(
    rabbit_node: RabbitNode, program: Program, vhost: str
) -> None:
    full = {"pattern": "[.]dlq$", "definition": {"max-length": 0, "overflow": "reject-publish"}}
    rabbit_node.api("PUT", f"/policies/{vhost}/full", full | {"apply-to": "queues"})
    wait_until(lambda: rabbit_node.queues(vhost)["first.dlq"].get("policy") == "full")
    rejected: list[int] = []

    def one_is_held() -> object:  # a length limit is not exact: the first ones are taken
        rejected.append(len(rejected))
        program.post({"n": rejected[-1], "do": {"one": "reject"}})
        return re.search("one: first message [0-9a-f]{32}: .*; held, and tried again every 1 s", program.log)

    wait_until(one_is_held)
    program.post({"n": 100_000})
    program.wait_done([100_000])
    letters: list[Mapping[str, Any]] = []

    def all_have_come() -> bool:
        letters.extend(_take(program.broker, "first.dlq"))
        return len(letters) == len(rejected)

    wait_until(all_have_come)
    assert {(headers["runner-error"], headers["runner-attempt"]) for headers in letters} == {("never", 1)}
    program.wait_settled()


def _take(url: str, queue: str) -> Iterator[Mapping[str, Any]]:
    """The headers of what is on a queue, taken away."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
            yield got[1].headers
