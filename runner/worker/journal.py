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
from typing import Any, cast

import orjson

from runner.brokers.base import Carrier, Consumer
from runner.errors import KeysError, LedgerError
from runner.ledger.hops import HopKey, Records, Settled
from runner.ledger.journey import json_of
from runner.ledger.lineage import converging, hop_of, via_after, via_of
from runner.ledger.once import sealed_result, stored
from runner.ledger.terms import LONGEST, MOST, Hasher, values_at
from runner.message import LATE, LOOKS, VIA, Delivery, Outgoing, is_usable
from runner.pipeline import Pipeline, Stage
from runner.privacy.masking import mask, mask_and_cut
from runner.privacy.sealed import as_shown
from runner.privacy.sealing import Sealer
from runner.topology import plan
from runner.wording import encodable, facts
from runner.worker.memory import Memory
from runner.worker.once import Gate, Refusing

log = logging.getLogger("runner.ledger")

_MISSING = object()
LONGEST_NAME = 50
"""Characters of a name in a receipt."""


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
        self._looking_up = looking_up
        self._once = {stage.consume: stage for stage in pipeline.stages.values() if stage.once}
        self._consumed = {stage.consume for stage in pipeline.stages.values()}
        self._converging = converging(pipeline, self._topology)

    def settle(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        note = self._notes.take(delivery)
        if note is None:  # it is settled again, as it was recorded
            self._broker.settle(delivery, messages)
            return
        hop, now, stage = hop_of(delivery), time.time(), self._stages[note.stage]
        records, told = Records(), ""
        earlier: list[str] = []
        if note.state == "handled":
            if delivery.headers and LOOKS in delivery.headers:
                _looked_up(messages)
            if self._converging:
                self._mark(hop, messages)
            self._record_published(records, hop, stage, messages, now)
            if stage.record:
                results = {m.id.removesuffix(LATE): m.payload for m in messages if not m.delay}
                self._record_facts(records, hop, stage, results, now)
            if stage.find or delivery.receipt is not None:
                told = self._tell(records, delivery, stage, messages, now)
            if stage.settles is not None:
                earlier = _answered_late(records, stage.settles, messages, now)
        next_at = now + note.delay if note.state == "waiting" else None
        result = self._kept(hop, messages) if stage.once and note.state == "handled" else None
        settled = Settled(
            hop, note.state, stage.name, note.attempts, now, next_at, note.error, result, note.seconds, told
        )
        records.settled(settled)
        if earlier:
            self._ledger.late_answers_came(earlier)  # what is handed over next is durable no sooner
        self._ledger.record(records, partial(self._settle, delivery, messages))

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

    def _record_facts(
        self, records: Records, hop: HopKey, stage: Stage, results: Mapping[str, bytes], now: float
    ) -> None:
        for name, value in stage.record.items():
            if not value.startswith("/"):
                records.recorded(hop.copy.removesuffix(LATE), name, json_of(value), now)
                continue
            for copy, payload in results.items():
                found = pointed_at(payload, value)
                if found is not _MISSING:
                    records.recorded(copy, name, json_of(as_shown(found)), now)

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


def _answered_late(records: Records, pointer: str, messages: Sequence[Outgoing], now: float) -> list[str]:
    """Those messages whose ids `pointer` leads to: they are no longer looked up."""
    found = [_MISSING if message.delay else pointed_at(message.payload, pointer) for message in messages]
    earlier = [one for one in found if isinstance(one, str) and is_usable(one)]
    for message_id in earlier:
        records.answered(message_id, now)
    return earlier


def _looked_up(messages: Sequence[Outgoing]) -> None:
    """The mark of what was looked up ends with its result."""
    for message in messages:
        if not message.delay:
            message.headers = {name: value for name, value in message.headers.items() if name != LOOKS}


def pointed_at(payload: bytes, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) leads to in a body; `_MISSING` if nothing is there."""
    value = orjson.loads(payload)
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value
