"""Which deliveries of a stage with `once` were handled before, or may have been.

That is read, and what may be handled now is recorded as begun, in one transaction, before any
handler is called. Left out: what is done about it (see `worker.once`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

import orjson
from sqlalchemy import Connection, Row, bindparam, select

from runner.errors import KeysError, LedgerError
from runner.ledger.database import Database
from runner.ledger.holders import Holders
from runner.ledger.hops import HopKey, HopStatements, Records, begun
from runner.ledger.lineage import via_of
from runner.ledger.tables import HOP
from runner.message import FIRST_ERROR, FIRST_STAGE, FIRST_TIME, LOOKS, VIA, Destination, Outgoing
from runner.privacy.sealed import HIDDEN, SIGN, read_token
from runner.privacy.sealing import Sealer

Standing = Literal["new", "failed", "held", "unknown", "finished"]
"""*failed*: earlier attempts came to an end that is known. *held*: one is under way. *unknown*: one
was, and who was at it has died."""


class Judgement(NamedTuple):
    """What is known of a delivery before it is handled."""

    standing: Standing
    key_age: float = 0.0
    """Seconds since a handler was first allowed to run."""
    result: bytes = b""
    """What was recorded, where it is finished."""


Judged = Callable[[Sequence[Judgement] | None, LedgerError | None], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a delivery may be handled."""

    retries_unknown: bool
    key_lifetime: float | None
    """Seconds for which its idempotency key holds; None: for ever."""
    begins: bool
    """Whether what may be handled is recorded as begun at once."""

    def allows(self, judgement: Judgement) -> bool:
        if judgement.standing in ("held", "finished") or (judgement.standing == "unknown" and not self.retries_unknown):
            return False
        return self.key_lifetime is None or judgement.key_age <= self.key_lifetime


class JudgeJob:
    """Judge the copies `keys`, all on one queue, at the time `at`."""

    patient = True
    after_others = True

    def __init__(
        self,
        keys: Sequence[HopKey],
        rule: Rule,
        at: float,
        statements: HopStatements,
        holders: Holders,
        judged: Judged,
    ) -> None:
        self.keys = keys
        self.rule = rule
        self.at = at
        self.statements = statements
        self.holders = holders
        self._judged = judged
        self.judgements: list[Judgement] = []

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:  # noqa: ARG003 - a Job
        jobs[0].holders.appear()
        beginning = [job for job in jobs if job.rule.begins]
        if beginning and cls._begin_all(beginning, connection):
            jobs = [job for job in jobs if not job.rule.begins]
        seen = set[HopKey]()
        for job in jobs:
            job.judge(connection, seen)

    @classmethod
    def _begin_all(cls, jobs: Sequence[Self], connection: Connection) -> bool:
        """Begin whatever is new of all of `jobs`. Whether that is everything, as it nearly always is;
        otherwise they have to be judged."""
        rows = [begun(key, job.at, job.holders.token) for job in jobs for key in job.keys]
        if not rows or jobs[0].statements.begin_new.execute(connection, rows) < len(rows):
            return False
        for job in jobs:
            job.judgements = [_NEW] * len(job.keys)
        return True

    def done(self, error: LedgerError | None) -> None:
        self._judged(None if error else self.judgements, error)

    def give_up(self) -> None:
        """Nobody waits any more: if it was not carried out yet, nothing begins. From any thread."""
        self.keys = ()

    def judge(self, connection: Connection, seen: set[HopKey]) -> None:
        """`seen` gets the copies that were judged. One that comes twice at once is held by the first."""
        keys = self.keys
        found = self._found(connection, keys) if keys else {}
        records = Records()
        self.judgements = []
        for key in keys:
            self.judgements.append(_HELD if key in seen else self._judged_of(key, found, records, connection))
            seen.add(key)
        records.write(connection, self.statements)

    def _found(self, connection: Connection, keys: Sequence[HopKey]) -> dict[tuple[str, str], _HopRow]:
        """What is recorded of these, locked for whoever wants to begin one of them."""
        query = _LOCKING if self.rule.begins else _QUERY
        values = {"queue": keys[0].queue, "journeys": sorted({key.journey for key in keys})}
        return {(row.copy, row.via): row for row in connection.execute(query, values)}

    def _judged_of(
        self, key: HopKey, found: Mapping[tuple[str, str], _HopRow], records: Records, connection: Connection
    ) -> Judgement:
        """What is known of a copy; `records` gets what is recorded of it."""
        row = found.get((key.copy, key.via))
        judgement = _NEW if row is None else self._judgement(row, connection)
        if row is not None and judgement.standing == "finished" and row.state != "handled":
            records.finished(key, self.at)  # its result could not be published before, and is now
        elif self.rule.begins and self.rule.allows(judgement):
            records.begun(key, self.at, self.holders.token)
        return judgement

    def _judgement(self, row: _HopRow, connection: Connection) -> Judgement:
        if row.result is not None:
            return Judgement("finished", result=row.result)
        # A commit whose answer was lost is tried again: then it has begun just now.
        begun_now = row.changed_at == self.at and row.holder == self.holders.token
        if row.key_born_at is None or (begun_now and row.key_born_at == self.at):
            return _NEW
        age = self.at - row.key_born_at
        if row.state != "begun" or begun_now:
            return Judgement("failed", age)
        return Judgement("held" if self.holders.alive(row.holder, connection) else "unknown", age)


_HopRow = Row[Any, Any, Any, Any, Any, Any, Any]
_NEW, _HELD = Judgement("new"), Judgement("held")
_NOT_OF_RESULTS = (VIA, LOOKS, FIRST_ERROR, FIRST_STAGE, FIRST_TIME)
"""Headers of a delivery that don't travel on."""
_QUERY = select(
    HOP.c.copy, HOP.c.via, HOP.c.state, HOP.c.key_born_at, HOP.c.changed_at, HOP.c.holder, HOP.c.result
).where(HOP.c.journey.in_(bindparam("journeys", expanding=True)), HOP.c.queue == bindparam("queue"))
_LOCKING = _QUERY.order_by(HOP.c.journey, HOP.c.copy, HOP.c.queue, HOP.c.via).with_for_update()


def stored(messages: Sequence[Outgoing]) -> bytes:
    """The messages that a handler's result led to, as the ledger keeps them. Their headers are
    those of the delivery, except for the way that they have come. One that waits is the delivery once more."""
    return orjson.dumps([_stored(message) for message in messages])


def _stored(message: Outgoing) -> list[Any]:
    row = [*message.destination, message.id, message.payload.decode(), via_of(message.headers)]
    return [*row[:3], "", row[4], message.delay] if message.delay else row


def sealed_result(result: bytes, key: HopKey, sealer: Sealer) -> bytes:
    """What `stored` made for the copy `key`, readable only with the keys. Raises KeysError."""
    return sealer.seal(result, HIDDEN, key.copy, f"the result of {key.queue}").encode()


def opened_result(result: bytes, key: HopKey, sealer: Sealer | None) -> bytes:
    """What `stored` made, whether or not it was sealed. Raises KeysError."""
    token = read_token(result.decode(errors="replace")) if result.startswith(SIGN) else None
    if token is None:
        return result
    if sealer is None:
        raise KeysError("it is sealed, and the file names no keys")
    return sealer.open(token, key.copy, f"the result of {key.queue}")


def restored(
    result: bytes,
    headers: Mapping[str, Any],
    delivered: bytes = b"",
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> list[Outgoing]:
    """The messages again; `headers` and `delivered` are those of the delivery, and its payload; `renamed` has the
    names of today for the former ones of queues. Raises ValueError if it is no such result."""
    others = {name: value for name, value in headers.items() if name not in _NOT_OF_RESULTS}
    try:
        return [
            Outgoing(
                Destination(exchange, key if exchange else renamed.get(key, key)),
                message_id,
                delivered if delay else payload.encode(),
                {**others, **({VIA: via} if via else {}), **({LOOKS: 1} if delay else {})},
                delay=sum(delay),
            )
            for exchange, key, message_id, payload, via, *delay in orjson.loads(result)
        ]
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None
