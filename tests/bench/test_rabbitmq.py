"""The broker's own record: it reveals a contender that leaves out a confirm or an ack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from bench.benchmarks.hops_rabbitmq import prove, span
from bench.failure import ContenderError
from bench.job import PAYMENT
from bench.program import Program
from bench.rabbitmq import Counts, Ledger, VirtualHost, virtual_host
from bench.rabbitmq_node import RabbitNode

NUMBER = 40
QUEUES = ("payment_queue", "notification_queue")


@pytest.fixture
def host(rabbit_node: RabbitNode) -> Iterator[VirtualHost]:
    with virtual_host(rabbit_node) as host:
        for queue in QUEUES:
            host.declare(queue, "quorum")
        yield host


def carried(host: VirtualHost, folder: Path, *changes: tuple[str, str]) -> list[Counts]:
    """What the broker counts while the tutorial's way does the job, with its code changed."""
    code = (Path(__file__).parents[2] / "bench" / "peers" / "pika_blocking.py").read_text()
    for old, new in changes:
        assert old in code
        code = code.replace(old, new)
    host.fill("payment_queue", NUMBER, lambda _: PAYMENT)
    with (
        Ledger(host.node, "quorum") as ledger,
        Program([sys.executable, "-c", code], folder, env={"AMQP_URL": host.url}) as program,
    ):
        program.wait_until(lambda: ledger.last.delivered >= 2 * NUMBER, "the last delivery")
        program.wait_until(lambda: "no_ack" in str(changes) or ledger.last.acked >= 2 * NUMBER, "the last ack")
    return ledger.counts()


def test_a_filled_queue_holds_what_was_asked_for(host: VirtualHost) -> None:
    host.fill("payment_queue", 2500, lambda number: b"%d" % number)
    assert host.depth("payment_queue") == 2500
    with pika.BlockingConnection(pika.URLParameters(host.url)) as connection:
        method, properties, body = connection.channel().basic_get("payment_queue")
    assert (method.delivery_tag, properties.delivery_mode, body) == (1, 2, b"0")


def test_a_queue_that_does_not_exist_can_not_be_filled(host: VirtualHost) -> None:
    with pytest.raises(ConnectionError, match="elsewhere could not be filled: NO_ROUTE"):
        host.fill("elsewhere", 1, lambda _: b"{}")


def test_a_contender_that_keeps_the_guarantees_is_believed(host: VirtualHost, tmp_path: Path) -> None:
    counts = carried(host, tmp_path)
    prove(counts, NUMBER)
    assert span(counts) > 0


def test_a_contender_without_confirms_is_found_out(host: VirtualHost, tmp_path: Path) -> None:
    counts = carried(host, tmp_path, ("        channel.confirm_delivery()\n", ""))
    with pytest.raises(ContenderError, match=f"0 confirms instead of {NUMBER}$"):
        prove(counts, NUMBER)


def test_a_contender_without_acks_is_found_out(host: VirtualHost, tmp_path: Path) -> None:
    counts = carried(
        host,
        tmp_path,
        ('"payment_queue", forward)', '"payment_queue", forward, auto_ack=True)  # no_ack'),
        ("    channel.basic_ack(method.delivery_tag)\n\n\ndef accept", "\n\ndef accept"),
    )
    with pytest.raises(ContenderError, match=f"{NUMBER} deliveries that want an ack instead of {2 * NUMBER}"):
        prove(counts, NUMBER)
