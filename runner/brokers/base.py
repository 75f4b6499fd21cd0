"""The contract between the runner and a broker, in prose and in types.

Two brokers fulfil it, RabbitMQ and the embedded one, and one suite of tests runs
over both (`tests/brokers`). What they promise:

- **publish** returns only when every message is durable and on a queue. Otherwise
  it raises: `PublishError` for messages that were certainly not taken,
  `BrokerUnavailableError` if the fate of some isn't known.
- **consume** hands deliveries over in batches, at most `prefetch` unsettled ones at
  a time, each valid until it is settled, released, or its session ends. Until then no
  other consumer gets it. A holder that dies gives up at once what it held.
- **settle** is *publish these, have all of them confirmed, then ack*. A crash anywhere
  in between repeats work and loses nothing.
- **release** gives a delivery back uncounted, as if it had never been taken.
- A delivery's **attempt** counts the attempts in its header, the deliveries that
  died with their holder, and itself. A message that its consumer knows to be **innocent**
  of that comes again as if it had never been taken. Any other whose holder died is handed
  out alone: a process has at most one such message in hand, over all its queues, so that
  the next death is counted against the message that caused it. (A neighbour may have
  caused the first one: a delivery says how many deaths it has behind it. And one that
  stays in hand for `PATIENCE` seconds lets the next one pass.)
- The broker holds back a message published with a **delay** for at least that long, over
  restarts of everything.

- A delivery's `tag` and `broker_data` mean something only to the broker that handed it out.
  A delivery that is moved on (`Outgoing.origin`) goes to that same broker, or has no `broker_data`.
- It reports **events** (`runner.events`): what it has published and confirmed for others, and
  when it can be reached. A message that only changes its place (given back, sent to wait on)
  is not an event.

Left out on purpose: what a message means, when to retry, what a dead letter is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runner.errors import BrokerError, PublishError, TakenError
from runner.message import Delivery, Outgoing
from runner.topology import Topology

if TYPE_CHECKING:
    import asyncio

Done = Callable[[BrokerError | None], None]
"""Called with the result: None if all is well. Runs on the loop that `start` was given, else on
the broker's thread; so it must return at once, and not raise."""
GiveUp = Callable[[], None]
"""Call it to say that nobody waits any more."""

Asked = Callable[[bytes, str, Callable[[bytes], None]], None]
"""`asked(question, asker, answer)`: see `Broker.listen`."""

Accounted = Callable[[str, int], AbstractContextManager[None]]
"""`with accounted(queue, messages)`: inside, that queue is made anew, with so many messages."""

ASK_EVERY = 1.0
"""Seconds after which a question is asked again."""
ANSWER_TIMEOUT = 5.0
"""Seconds that the broker has for an answer unless the caller says otherwise."""


PATIENCE = 10.0
"""Seconds after which a message whose holder died, and that is in hand again, no longer holds up
others: it is slow, but need not be deadly."""


def unaccounted(queue: str, messages: int) -> AbstractContextManager[None]:  # noqa: ARG001 - Accounted
    """For whoever keeps no account."""
    return nullcontext()


class Consumer(Protocol):
    """What a broker calls for a queue that is consumed, always on its own thread:
    all methods must return at once, and must not call `publish`.

    Those with a body are for a consumer that knows what it had begun when it died, in an
    earlier life or in another process; a class derived from this one knows nothing of that.
    """

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Take these in hand."""

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        """The broker refused a message of `settle`, so the delivery is not acked: it is
        still in hand, to be settled in another way."""

    def taken_back(self) -> None:
        """What was in hand belongs to the broker again and may come once more, though
        nobody has died."""
        return

    def is_innocent(self, id: str, attempt: int) -> bool:  # noqa: ARG002 - for those who know
        """Of a message that comes again: whether a holder is known that had it in hand as
        this attempt and hadn't begun it, so that it can't have killed anybody."""
        return False

    def acquittals(self, id: str, attempts: range) -> int:  # noqa: ARG002 - for those who know
        """How many holders are known that died with it in hand as one of these attempts,
        handed out on its own, and hadn't begun it."""
        return 0


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a work queue and its companions hold, and who consumes it."""

    ready: int = 0
    """Waiting to be taken."""
    in_hand: int = 0
    """Taken by a worker and not yet settled."""
    delayed: int = 0
    """Waiting for a retry."""
    dead: int = 0
    """In the dead letters."""
    consumers: int = 0
    """Worker processes, on any machine, that take from it."""
    paused: int = 0
    """Worker processes whose stage is paused, and takes from it again later."""
    why: str = ""
    """Why one of them is paused; other programs may have written it."""
    strangers: int = 0
    """Consumers that aren't workers: other programs, or workers that don't answer."""
    looked_at: bool = False
    """Whether somebody looks at what is delayed or dead: what they have in hand is not counted."""


class Carrier(Protocol):
    """What a stage needs of a broker: deliveries, and what becomes of them. Any thread may call
    any method."""

    def consume(self, queue: str, prefetch: int, consumer: Consumer) -> None:
        """Begin to take from the work queue `queue`; once for each queue and process."""

    def cancel(self, queue: str, *, pausing: str = "") -> None:
        """Take nothing more from `queue`. What is in hand stays so, to be settled. One that is
        `pausing`, which says why, is known as paused until it consumes again, or is cancelled for good.
        Returns when no further delivery will be handed over."""

    def consuming(self, queue: str) -> bool:
        """Whether this process is registered as a consumer of `queue` right now."""

    def settle(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        """Publish `messages` and, when all of them are confirmed, ack `delivery`.

        Returns at once; `Consumer.settle_failed` reports a refusal. If the session
        ends first, the delivery comes again.
        """

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """Give these back to their queue, uncounted. Returns at once."""


class Broker(Carrier, Protocol):
    """One process's access to the broker. Any thread may call any method.

    The order of calls: `start` first, `close` last.
    """

    @property
    def available(self) -> bool:
        """Whether a publish would reach the broker now (connected, not blocked)."""

    @property
    def unconfirmed(self) -> int:
        """How many messages it was sent and has not confirmed; about how many, for another thread."""

    def start(
        self,
        topology: Topology,
        *,
        timeout: float | None = None,
        declare: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Connect and declare `topology`, now and after every reconnect.

        Without `declare`, `topology` only describes the broker, and nothing is created there:
        for callers that only look. Waits for a broker that is away, with back-off, for up to
        `timeout` seconds (None: as long as it takes); then raises BrokerUnavailableError.
        Raises BrokerSetupError at once if waiting doesn't help.

        `loop` is the event loop of those that call `submit`: each `done` is then called there,
        on its thread. (The broker may do its own work there, too.) The loop must run from
        before `start` until `close` has returned, on a thread that never calls what waits:
        `start`, `publish`, `cancel`, `depths` or `close`.
        """

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = ANSWER_TIMEOUT) -> None:
        """Return when all of `messages` are durable on their queues.

        Raises PublishError for those refused, BrokerUnavailableError if the broker is
        away or blocked, or hasn't answered in `timeout` seconds.
        """

    def submit(self, messages: Sequence[Outgoing], done: Done) -> GiveUp:
        """Like `publish`, without waiting: `done` is called once, when all of `messages` (at
        least one) are durable, or with the error that `publish` would raise.

        Call the returned function to skip what has not begun. Raises BrokerAwayError if the
        broker is known to be away; then `done` isn't called.
        """

    def depths(self, queues: Iterable[str], *, timeout: float = ANSWER_TIMEOUT) -> Mapping[str, Depth]:
        """The depth of each of these work queues.

        A queue that doesn't exist is left out. Raises BrokerUnavailableError.
        """

    def listen(self, asked: Asked) -> None:
        """From now on, for as long as this process consumes, `asked(question, asker, answer)` is called, on
        a thread of the broker's, for each question that another process asks all listeners. Any thread
        may call `answer(text)`, as often as need be while `asker` goes on asking; it returns at once, and
        what nobody takes is dropped. A text has at most 32 KiB. To be called once, after `start`."""

    def poll(self, question: bytes, heard: Callable[[bytes], None]) -> Callable[[], None]:
        """Ask every listener, every `ASK_EVERY` seconds until the returned function is called.
        `heard(answer)` is called for each answer, on a thread of the broker's. Raises BrokerUnavailableError."""

    def close(self, *, timeout: float = ANSWER_TIMEOUT) -> None:
        """Send the acks of settled deliveries, for up to `timeout` seconds, then hang up.

        What is still in hand goes back to its queue.
        """


class Shelved(NamedTuple):
    """A message on a queue, as an operator sees it: nothing is checked, nothing left out."""

    id: str
    """Empty if it has none."""
    payload: bytes
    headers: Mapping[str, Any]
    """Also those that the runner or the broker wrote."""
    place: Any
    """Means something only to the shelf that it came from."""
    due: float | None = None
    """When it goes to its queue again (seconds since 1970), if it waits for that and the broker knows."""


class Shelf(Protocol):
    """One queue under an operator's eyes, while the pipeline runs. Only one thread may use it."""

    @property
    def at_once(self) -> int:
        """How many messages `settle_all` takes together at most."""

    def look(self) -> Iterator[Shelved]:
        """Every message that lies there now, the oldest first; it stays there, in its order. Few of
        them are in memory at a time. Call it once.

        Raises BrokerUnavailableError, also while another shelf has the queue.
        """

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:
        """Publish `messages`, have all of them confirmed, and only then take `shelved` away; a crash in
        between leaves both. False: somebody else has it in hand, or has taken it, and nothing was published.

        Raises PublishError if a message is refused: then `shelved` stays. Raises BrokerUnavailableError.
        """

    def settle_all(self, pairs: Sequence[tuple[Shelved, Sequence[Outgoing]]]) -> Sequence[BrokerError | None]:
        """The same of several: why each stays, or may stay; None: it is settled. Raises nothing of that."""


class OneByOne:
    """A shelf on which a crash leaves more than one in doubt if more are settled together."""

    at_once = 1

    def settle_all(self: Shelf, pairs: Sequence[tuple[Shelved, Sequence[Outgoing]]]) -> Sequence[BrokerError | None]:
        ended: list[BrokerError | None] = []
        for shelved, messages in pairs:
            try:
                ended.append(None if self.settle(shelved, messages) else TakenError())
            except BrokerError as error:
                ended.append(error)
        return ended
