"""What a worker writes into the ledger: what became of each delivery, before it is settled.

`settle` is the one way out of a worker, so the ledger stands in it: what a delivery leads to is
recorded first, and published and acked when that is durable. A crash in between repeats
work, and what is recorded again is the same. Left out: what is done only once (see `once`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import orjson

from runner.brokers.base import Carrier, Consumer
from runner.errors import KeysError, LedgerError
from runner.ledger.hops import HopKey, Records, Settled
from runner.ledger.journey import json_of
from runner.ledger.late import Verdicts
from runner.ledger.lineage import converging, hop_of, via_after, via_of
from runner.ledger.once import sealed_result, stored
from runner.ledger.terms import LONGEST, MOST, Hasher, values_at
from runner.message import LATE, LOOKS, VIA, Delivery, Outgoing
from runner.pipeline import Pipeline, Stage
from runner.privacy.masking import mask, mask_and_cut
from runner.privacy.sealing import Sealer
from runner.topology import plan
from runner.wording import encodable, facts
from runner.worker.memory import Memory, Note
from runner.worker.once import Gate, Refusing
from runner.worker.telling import facts_in, outcomes, tellers

log = logging.getLogger("runner.ledger")

LONGEST_NAME = 50
"""Characters of a name in a receipt."""


class Settling(NamedTuple):
    """A delivery that is to be settled, and what became of it."""

    delivery: Delivery
    hop: HopKey
    note: Note
    stage: Stage
    at: float


class RememberingCarrier:
    """What a stage needs of a broker, that records each delivery in the ledger before it settles it.

    `looking_up` are the stages whose handlers can look up what is in doubt.
    """

    def __init__(
        self,
        broker: Carrier,
        memory: Memory,
        pipeline: Pipeline,
        looking_up: Collection[str] = (),
        sealer: Sealer | None = None,
    ) -> None:
        self._broker = broker
        self._sealer = sealer
        self._keys_missed = False
        self._ledger, self._notes = memory
        self._topology = plan(pipeline)
        self._stages = {stage.name: stage for stage in pipeline.stages.values()}
        self._tellers = tellers(pipeline)
        self._looking_up = looking_up
        self._once = {stage.consume: stage for stage in pipeline.stages.values() if stage.once}
        self._consumed = {stage.consume for stage in pipeline.stages.values()}
        self._converging = converging(pipeline, self._topology)

    def settle(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        note = self._notes.take(delivery)
        if note is None:  # it is settled again, as it was recorded
            self._broker.settle(delivery, messages)
            return
        settling = Settling(delivery, hop_of(delivery), note, self._stages[note.stage], time.time())
        if note.state != "handled":
            self._record(settling, messages)
            return
        if delivery.headers and LOOKS in delivery.headers:
            _looked_up(messages)
        if self._converging:
            self._mark(settling.hop, messages)
        if messages and note.stage in self._tellers:
            self._record_told(settling, messages)
        else:
            self._record(settling, messages)

    def _record(self, settling: Settling, messages: Sequence[Outgoing]) -> None:
        facts = {m.id.removesuffix(LATE): m.payload for m in messages if not m.delay} if settling.stage.record else {}
        records = self._records(settling, messages, messages, facts)
        self._ledger.record(records, partial(self._settle, settling.delivery, messages))

    def _record_told(self, settling: Settling, messages: Sequence[Outgoing]) -> None:
        """The same of what others may tell, too."""
        stage, copy = settling.stage, settling.hop.copy
        told = outcomes(stage, copy.removesuffix(LATE), messages)

        def records(verdicts: Verdicts) -> Records:
            judged = list(zip(messages, told, verdicts.each, strict=True))
            facts = {
                outcome.of if stage.settles and verdict.is_known else message.id.removesuffix(LATE): message.payload
                for message, outcome, verdict in judged
                if verdict.tells and verdict.is_new and not message.delay
            }
            published = [message for message, _, verdict in judged if verdict.tells]
            records = self._records(settling, messages, published, facts, unless_known=verdicts.late)
            for outcome in told if stage.settles else ():
                if outcome.of:
                    records.answered(outcome.of, settling.at)
            return records

        self._ledger.tell(
            copy,
            told,
            records,
            partial(self._settle_told, settling.delivery, messages),
            is_late=stage.settles is not None,
            is_provisional=any(message.delay for message in messages),
        )

    def _records(
        self,
        settling: Settling,
        messages: Sequence[Outgoing],
        published: Sequence[Outgoing],
        facts: Mapping[str, bytes],
        *,
        unless_known: bool = False,
    ) -> Records:
        """Of a delivery that has led to `messages`, of which some are `published`. `facts` are the bodies by the
        messages of which they tell; `unless_known`: which may be known better."""
        delivery, hop, note, stage, now = settling
        records, told, result = Records(), "", None
        if note.state == "handled":
            self._record_published(records, hop, stage, published, now)
            if stage.record:
                _record_facts(records, hop, stage, facts, now, unless_known=unless_known)
            if stage.find or delivery.receipt is not None:
                told = self._tell(records, delivery, stage, messages, now)
            if stage.once:
                result = self._kept(hop, published)
        next_at = now + note.delay if note.state == "waiting" else None
        records.settled(
            Settled(hop, note.state, stage.name, note.attempts, now, next_at, note.error, result, note.seconds, told)
        )
        return records

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """What was begun by none of them must not look as if it were."""
        given_back = list(deliveries)
        begun = [hop_of(delivery) for delivery in given_back if delivery.queue in self._once]
        if not begun:
            self._broker.release(given_back)
            return
        records = Records()
        for hop in begun:
            records.released(hop, self._ledger.holder)
        self._ledger.record(records, lambda _error: self._broker.release(given_back))

    def _settle(self, delivery: Delivery, messages: Sequence[Outgoing], error: LedgerError | None) -> None:
        if error is not None:
            known = facts(queue=delivery.queue, id=delivery.id, reason=error)
            log.error("what became of message %s could not be recorded: %s", delivery.id, error, extra=known)
        self._broker.settle(delivery, messages)

    def _settle_told(
        self, delivery: Delivery, messages: Sequence[Outgoing], verdicts: Verdicts | None, error: LedgerError | None
    ) -> None:
        if verdicts is not None:
            messages = [message for message, verdict in zip(messages, verdicts.each, strict=True) if verdict.tells]
        self._settle(delivery, messages, error)

    def _kept(self, hop: HopKey, messages: Sequence[Outgoing]) -> bytes:
        """The result of a stage that runs once: sealed as a whole, since it may name a person."""
        result = stored(messages)
        if self._sealer is None or not messages:
            return result
        try:
            return sealed_result(result, hop, self._sealer)
        except KeysError as error:  # to forget the result would be worse
            self._tell_once(error)
            return result

    def _mark(self, hop: HopKey, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            if message.delay:
                continue  # its id tells it apart
            if not self._converging.isdisjoint(self._topology.queues_of(message.destination)):
                message.headers = {**message.headers, VIA: via_after(hop)}

    def _record_published(
        self, records: Records, hop: HopKey, stage: Stage, messages: Sequence[Outgoing], now: float
    ) -> None:
        for message in messages:
            if message.delay:
                key, due = HopKey(message.id, hop.queue, hop.via), now + message.delay
                records.settled(Settled(key, "waiting", stage.name, 0, now, due, "pending: it is looked up later"))
                continue
            for queue in self._topology.queues_of(message.destination):
                key = HopKey(message.id, queue, via_of(message.headers))
                records.published(key, stage.name, now, leaves=queue not in self._consumed)

    def _tell(
        self, records: Records, delivery: Delivery, stage: Stage, messages: Sequence[Outgoing], now: float
    ) -> str:
        """What the handler returned says for people; `records` gets what the message is found by."""
        receipt = delivery.receipt
        if receipt is not None:
            bodies: list[Any] = [receipt]
        else:
            bodies = [orjson.loads(body) for body in dict.fromkeys(m.payload for m in messages if not m.delay)]
        found = [one for body in bodies for one in values_at(body, stage.find)][:MOST]
        if found:
            hasher = Hasher(self._sealer, self._ledger.secret)
            try:
                records.found_by(delivery.id, hasher.terms(dict.fromkeys(value for _, value in found)), now)
            except KeysError as error:
                self._tell_once(error)
        told = {field: encodable(mask(value)) for field, value in found if receipt is None} | _shown(receipt or {})
        return orjson.dumps(told).decode() if told else ""

    def _tell_once(self, error: KeysError) -> None:
        """No message is held up for it."""
        if not self._keys_missed:
            self._keys_missed = True
            log.error(
                "what stages return can't be found, and is kept as it travels: %s", error, extra=facts(reason=error)
            )

    def consume(self, queue: str, prefetch: int, consumer: Consumer) -> None:
        if queue in self._once:
            stage = self._once[queue]
            looks_up = stage.name in self._looking_up
            consumer = Gate(
                stage,
                self._ledger,
                self._broker,
                cast("Refusing", consumer),
                self.release,
                looks_up=looks_up,
                sealer=self._sealer,
                renamed=self._renamed(),
            )
        self._broker.consume(queue, prefetch, consumer)

    def _renamed(self) -> Mapping[str, str]:
        """The names of today for those that no queue has any more."""
        named = {queue.name for queue in self._topology.queues}
        known = {**self._ledger.renamed, **{queue.was: queue.name for queue in self._topology.queues if queue.was}}
        return {former: name for former, name in known.items() if former not in named}

    def cancel(self, queue: str, *, pausing: str = "") -> None:
        self._broker.cancel(queue, pausing=pausing)

    def consuming(self, queue: str) -> bool:
        return self._broker.consuming(queue)


def _shown(receipt: Mapping[str, object]) -> dict[str, str]:
    """A receipt for people."""
    texts = list(receipt.items())[:MOST]
    return {str(name)[:LONGEST_NAME]: encodable(mask_and_cut(str(value), LONGEST)) for name, value in texts}


def _record_facts(
    records: Records, hop: HopKey, stage: Stage, facts: Mapping[str, bytes], now: float, *, unless_known: bool
) -> None:
    for name, value in stage.record.items():
        if not value.startswith("/"):
            records.recorded(hop.copy.removesuffix(LATE), name, json_of(value), now)
    for copy, payload in facts.items():
        for name, value in facts_in(stage, payload).items():
            records.recorded(copy, name, value, now, unless_known=unless_known)


def _looked_up(messages: Sequence[Outgoing]) -> None:
    """The mark of what was looked up ends with its result."""
    for message in messages:
        if not message.delay:
            message.headers = {name: value for name, value in message.headers.items() if name != LOOKS}
