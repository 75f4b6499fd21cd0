"""RabbitMQ for measurements: a private node, a fresh virtual host for each run, and the
broker's own record of what was delivered, confirmed and acknowledged.

The broker's clock times every rate: no contender measures itself, and none can leave out a
confirm or an acknowledgement unnoticed.
"""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import pika
from pika.adapters.select_connection import SelectConnection

from bench.program import processor_time
from bench.rabbitmq_node import RabbitNode

SAMPLE_EVERY = 10
"""Milliseconds between looks at the broker's counters."""
DELETE_TRIES = 5
WINDOW = 2000
"""How many publishes may be unconfirmed while a queue is filled."""

# An Erlang process in the node that appends a line to a file whenever the counters change.
# Their labels are maps in RabbitMQ 4.x, and lists of pairs before.
_SAMPLER = """
spawn(fun() ->
  {ok, File} = file:open("PATH", [append, raw]),
  Sum = fun(Name, Counters) -> lists:sum([maps:get(Name, C, 0) || C <- Counters]) end,
  Labelled = fun(Labels) when is_map(Labels) -> Labels; (Labels) -> maps:from_list(Labels) end,
  Look = fun() ->
    All = [{Labelled(Labels), C} || {Labels, C} <- maps:to_list(rabbit_global_counters:overview())],
    Queues = [C || {#{queue_type := rabbit_TYPE_queue}, C} <- All],
    Protocol = [C || {Labels, C} <- All, Labels =:= #{protocol => amqp091}],
    [Sum(messages_delivered_total, Queues), Sum(messages_acknowledged_total, Queues),
     Sum(messages_delivered_consume_manual_ack_total, Queues) + Sum(messages_delivered_get_manual_ack_total, Queues),
     Sum(messages_redelivered_total, Queues),
     Sum(messages_confirmed_total, Protocol), Sum(messages_unroutable_returned_total, Protocol)]
  end,
  Zero = Look(),
  (fun Loop(Before) ->
    Now = Look(),
    case Now of
      Before -> ok;
      _ -> Moved = [N - Z || {N, Z} <- lists:zip(Now, Zero)],
           ok = file:write(File, io_lib:format("~b ~b ~b ~b ~b ~b ~b~n", [erlang:system_time(microsecond) | Moved]))
    end,
    timer:sleep(EVERY),
    Loop(Now)
  end)([])
end)
"""


class Counts(NamedTuple):
    """What the broker has counted up to `time` (seconds, its clock), over all queues of one type."""

    time: float
    delivered: int
    acked: int
    delivered_for_ack: int
    redelivered: int
    confirmed: int
    returned: int


class Ledger:
    """The broker's counters from now on, sampled by the broker. A context manager."""

    def __init__(self, node: RabbitNode, queue_type: str) -> None:
        self._node = node
        self._file = node.folder / f"ledger-{time.monotonic_ns()}"
        self._read = 0
        self._counts: list[Counts] = []
        code = _SAMPLER.replace("PATH", str(self._file)).replace("TYPE", queue_type).replace("EVERY", str(SAMPLE_EVERY))
        self._pid = node.eval(f"pid_to_list({' '.join(code.split())})")

    def __enter__(self) -> Self:
        while not self.counts():
            time.sleep(SAMPLE_EVERY / 1000)
        return self

    def __exit__(self, *_: object) -> None:
        self._node.eval(f"exit(list_to_pid({self._pid}), kill)")
        self._file.unlink()

    def counts(self) -> list[Counts]:
        """All samples so far, oldest first. The first is zero; each differs from the one before."""
        if self._file.exists():
            with self._file.open() as file:
                file.seek(self._read)
                lines = file.read().rpartition("\n")[0]
            self._read += len(lines) + 1 if lines else 0
            for line in lines.splitlines():
                moment, *numbers = map(int, line.split())
                self._counts.append(Counts(moment / 1e6, *numbers))
        return self._counts

    @property
    def last(self) -> Counts:
        return self.counts()[-1]


class VirtualHost:
    """A virtual host of a node, empty at first, for one run."""

    def __init__(self, node: RabbitNode, name: str) -> None:
        self.node = node
        self.name = name
        self.url = node.url(name)

    def declare(self, queue: str, queue_type: str) -> None:
        """A durable queue, as any client would declare it."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            connection.channel().queue_declare(queue, durable=True, arguments={"x-queue-type": queue_type})

    def depth(self, queue: str) -> int:
        """How many messages are waiting on the queue."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)

    def fill(self, queue: str, number: int, payload: Callable[[int], bytes]) -> None:
        """Put `number` persistent messages on an existing queue. Returns when all are confirmed."""
        _Filler(self.url, queue, number, payload).run()


@contextmanager
def virtual_host(node: RabbitNode) -> Iterator[VirtualHost]:
    """A virtual host, which is removed afterwards with everything in it."""
    name = node.new_vhost()
    try:
        yield VirtualHost(node, name)
    finally:
        _delete(node, name)


def _delete(node: RabbitNode, name: str) -> None:
    """Busy queues may take longer to go than the node waits for them, and it reports that as an
    internal error (500). What is left goes with the node."""
    for _ in range(DELETE_TRIES):
        try:
            node.delete_vhost(name)
        except urllib.error.HTTPError:
            time.sleep(1.0)
        else:
            return


@contextmanager
def private_node() -> Iterator[RabbitNode]:
    """A node with RabbitMQ's default intervals; those of the tests' node are shorter."""
    with RabbitNode() as node:
        node.eval("application:set_env(rabbit, collect_statistics_interval, 5000)")
        node.eval("application:set_env(rabbit, quorum_tick_interval, 5000)")
        yield node


def node_pid(node: RabbitNode) -> int:
    """The process of the node."""
    return int(node.eval("list_to_integer(os:getpid())"))


def settle(node: RabbitNode, *, timeout: float = 10.0) -> None:
    """Wait until the node has finished the work that a run left, or for `timeout` seconds."""
    pid = node_pid(node)
    deadline = time.monotonic() + timeout
    used = 1.0
    while used > 0.1 and time.monotonic() < deadline:
        before = processor_time(pid)
        time.sleep(0.3)
        used = (processor_time(pid) - before) / 0.3


class _Filler:
    """Publishes with hundreds of confirms outstanding."""

    def __init__(self, url: str, queue: str, number: int, payload: Callable[[int], bytes]) -> None:
        self._queue = queue
        self._number = number
        self._payload = payload
        self._published = 0
        self._unconfirmed: set[int] = set()
        self._failure: BaseException | None = None
        self._returned = ""
        self._channel: Any = None
        self._connection = SelectConnection(
            pika.URLParameters(url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_open_error_callback=self._on_end,
            on_close_callback=self._on_end,
        )

    def run(self) -> None:
        try:
            self._connection.ioloop.start()
        finally:
            self._connection.ioloop.close()
        if self._returned or self._unconfirmed or self._published < self._number:
            raise ConnectionError(f"{self._queue} could not be filled: {self._returned or self._failure}")

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, lambda _: self._publish())

    def _on_confirm(self, frame: Any) -> None:
        tag = frame.method.delivery_tag
        if frame.method.multiple:
            self._unconfirmed = {number for number in self._unconfirmed if number > tag}
        else:
            self._unconfirmed.discard(tag)
        if self._published == self._number and not self._unconfirmed:
            self._connection.close()
        elif len(self._unconfirmed) <= WINDOW // 2:
            self._publish()

    def _publish(self) -> None:
        while self._published < self._number and len(self._unconfirmed) < WINDOW:
            properties = pika.BasicProperties("application/json", delivery_mode=2, message_id=f"{self._published:032x}")
            self._channel.basic_publish("", self._queue, self._payload(self._published), properties, mandatory=True)
            self._published += 1
            self._unconfirmed.add(self._published)

    def _on_return(self, _channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        self._returned = method.reply_text

    def _on_channel_closed(self, _channel: Any, reason: BaseException) -> None:
        self._failure = self._failure or reason
        if self._connection.is_open:
            self._connection.close()

    def _on_end(self, _connection: Any, reason: BaseException) -> None:
        self._failure = self._failure or reason
        self._connection.ioloop.stop()
