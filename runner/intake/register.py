"""What a route asks of the ledger: whether a request was answered before, and to remember it.

A message is remembered before it is published: who asks how it stands after the 202 finds it.
Left out: how a message stands (see `status`), and the rules of keys (see `ledger.requests`).
"""

from __future__ import annotations

import hmac
import math
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import orjson

from runner.errors import BrokerAwayError, BrokerError, KeysError, LedgerError, PublishError
from runner.intake import problems
from runner.intake.problems import TurnedAway, ledger_away
from runner.intake.promise import Promise
from runner.intake.signatures import ID, Signed
from runner.message import Outgoing
from runner.pipeline import HttpRoute, Pipeline
from runner.privacy.hashing import hash_keys
from runner.topology import plan

if TYPE_CHECKING:
    from runner.ledger.hops import Records
    from runner.ledger.ledger import Ledger
    from runner.ledger.requests import Claimed, Requested
    from runner.privacy.sealing import Sealer

T = TypeVar("T")

LOOK_AGAIN = (0.02, 0.08)
"""Seconds after which a key that is in flight is looked at again: another intake's record of its 202 is durable a
moment after the client has got that."""
MARGIN = 5.0
"""Seconds beyond the broker's confirm until a request that has no answer is taken for dead."""
LONGEST_KEY = 255
"""Characters of an Idempotency-Key."""
_TEXT = r'([\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*'
_VALUES = rf"""-?\d{{1,12}}(\d{{0,3}}|\.\d{{1,3}})|"{_TEXT}"|[A-Za-z*][\w!#$%&'*+\-.^`|~:/]*|:[\w+/=]*:|\?[01]"""
PARAMETERS = rf"(; *[a-z*][a-z0-9_\-.*]*(=({_VALUES}))?)*"
"""Of an item (RFC 8941, sections 3.3 and 3.1.2), which a key is. None means anything here, so they are ignored."""
_STRING = re.compile(rf'"(?P<key>{_TEXT})"{PARAMETERS}', re.ASCII)
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+")


class Replayed(Exception):
    """A request that was answered 202 before, for the message `id`: that answer again, with these headers."""

    def __init__(self, id: str, answer: bytes, headers: dict[str, str]) -> None:
        super().__init__("answered before")
        self.id = id
        self.answer = answer
        self.headers = headers


class Underway(TurnedAway):
    """Another request with the key is being answered, or has just been."""


class Entry(NamedTuple):
    """A request that is being answered."""

    id: str
    """Of the message that it publishes."""
    key: str | None
    owner: str
    """The route and its caller, as `owner` has them."""
    queues: frozenset[str]
    """Those that it is published to."""
    terms: Sequence[bytes] = ()
    """What it is found by."""


class Register:
    """The ledger's part in one route. Promises are kept on the ledger's thread."""

    def __init__(
        self, route: HttpRoute, ledger: Ledger, pipeline: Pipeline, confirm_timeout: float, sealer: Sealer | None = None
    ) -> None:
        self._route = route
        self._sealer = sealer
        self._ledger = ledger
        self._topology = plan(pipeline)
        self._consumed = {stage.consume for stage in pipeline.stages.values()}
        self.timeout = confirm_timeout
        """Seconds that the ledger has for an answer."""
        self._asks_for_keys = route.idempotency != "off"
        self._header = "Idempotency-Key" if route.verify is None else ID

    def key(self, header: str | None, signed: Signed | None = None) -> str | None:
        """The key in an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), quoted or
        bare, or that of a signed request; None without one. Of several such headers,
        `header` is the list. Raises TurnedAway."""
        if signed is not None:
            return signed.key
        if not self._asks_for_keys:
            return None
        if header is None:
            if self._route.idempotency == "required":
                raise _turned_away(400, "this address needs the header Idempotency-Key, such as a fresh UUID in quotes")
            return None
        written = header.strip(" \t")
        found = _STRING.fullmatch(written)
        key = found["key"] if found else written
        if found and "\\" in key:
            key = re.sub(r"\\(.)", r"\1", key)
        if not 0 < len(key) <= LONGEST_KEY or (found is None and not _BARE.fullmatch(key)):
            detail = f"Idempotency-Key must be a string in quotes, of 1 to {LONGEST_KEY} printable ASCII characters"
            raise _turned_away(400, detail)
        return key

    def enter(self, key: str | None, body: bytes, messages: Sequence[Outgoing], caller: str = "") -> Promise[Entry]:
        """Remember what a request of `caller` publishes. The promise raises TurnedAway for one that may not be
        published now (Underway, which is to be tried again as LOOK_AGAIN says), and Replayed for one that was
        answered before. Raises TurnedAway."""
        if self._ledger.away:
            raise ledger_away(self._ledger.away)
        entered: Promise[Entry] = Promise()
        queues = frozenset(q for message in messages for q in self._topology.queues_of(message.destination))
        terms = self._terms(body) if self._route.find else ()
        new = Entry(messages[0].id, key, owner(self._route, caller), queues, terms)
        if key is None:
            self._ledger.accept(self._records(new), lambda error: _tell(entered, new, error))
        else:
            self._claim(new, key, body, entered)
        return entered

    def recall(self, key: str | None, body: bytes, caller: str = "") -> None:
        """A request is refused now, since its schema has changed, say: raises Replayed if it was answered
        before, for then it counts. Raises TurnedAway without the ledger."""
        if key is None:
            return
        try:
            found = self._ledger.answer_to(self._requested(owner(self._route, caller), key, body))
        except LedgerError as error:
            raise ledger_away(str(error)) from None
        if found is not None:
            raise Replayed(found.message, found.answer, self.headers(found.message, replayed=True))

    def failed(self, entry: Entry, error: BrokerError) -> None:
        """The request could not be published, and may come again. What was certainly not published
        is not remembered, either."""
        from runner.ledger.hops import HopKey, Records

        withdrawn = Records()
        if isinstance(error, (BrokerAwayError, PublishError)) and len(entry.queues) == 1:
            for queue in entry.queues:
                withdrawn.withdrawn(HopKey(entry.id, queue), entry.owner)
        if entry.key is None:
            self._ledger.accept(withdrawn, lambda _error: None)
        else:
            self._ledger.answered(entry.owner, entry.key, entry.id, None, lambda _error: None, withdrawn)

    def answered(self, entry: Entry, answer: bytes) -> None:
        """The request is answered 202 with `answer`. That needn't be durable first: until it is, the key is in
        flight, and after a crash whoever comes with it is given the same message id."""
        if entry.key is not None:
            self._ledger.answered(entry.owner, entry.key, entry.id, answer, lambda _error: None)

    def silent(self) -> TurnedAway:
        """The refusal when the ledger gives no answer in time."""
        return ledger_away(self._ledger.away or f"it has not answered within {self.timeout:g} s")

    def headers(self, id: str, *, replayed: bool = False) -> dict[str, str]:
        """The headers of the 202 for this message."""
        found = {} if self._route.status is None else {"Location": self._route.status.replace("{id}", id)}
        return found | ({"Idempotent-Replayed": "true"} if replayed else {})

    def _claim(self, new: Entry, key: str, body: bytes, entered: Promise[Entry]) -> None:
        def claimed(found: Claimed | None, error: LedgerError | None) -> None:
            if error is not None or found is None:
                entered.fail(ledger_away(str(error)))
            else:
                self._decide(found, new, entered)

        self._ledger.claim(
            self._requested(new.owner, key, body, new.id),
            lambda granted: self._records(new._replace(id=granted)),
            busy=self.timeout + MARGIN,
            keep=self._route.key_kept,
            then=claimed,
        )

    def _decide(self, found: Claimed, new: Entry, entered: Promise[Entry]) -> None:
        from runner.ledger.requests import Answered, Granted, InFlight, Mismatch

        match found:
            case Granted(id):
                entered.keep(new._replace(id=id))
            case Answered(answer, id):
                entered.fail(Replayed(id, answer, self.headers(id, replayed=True)))
            case InFlight(seconds):
                detail = f"a request with this {self._header} is being answered; send it again later"
                headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
                entered.fail(Underway(problems.problem(409, detail, headers=headers)))
            case Mismatch():
                detail = f"this {self._header} was used with another body; use a fresh one for another request"
                entered.fail(_turned_away(422, detail))

    def _records(self, entry: Entry) -> Records:
        from runner.ledger.hops import HopKey, Records

        records, now = Records(), time.time()
        for queue in entry.queues:
            records.published(HopKey(entry.id, queue), entry.owner, now, leaves=queue not in self._consumed)
        records.found_by(entry.id, entry.terms, now)
        return records

    def _requested(self, whose: str, key: str, body: bytes, id: str = "") -> Requested:
        """Raises TurnedAway."""
        from runner.ledger.requests import Requested

        fingerprint, *older = self._fingerprints(body)
        return Requested(whose, key, fingerprint, id, tuple(older))

    def _fingerprints(self, body: bytes) -> list[str]:
        """What is kept of a body, and may have been by another key: the ledger's own secret was one, too.
        Raises TurnedAway."""
        try:
            keys = hash_keys("fingerprints of requests", self._sealer, self._ledger.secret)
        except KeysError as error:
            raise TurnedAway(problems.without_keys(error)) from None
        return [hmac.digest(key, body, "sha256").hex() for key in (*keys, self._ledger.secret)]

    def _terms(self, body: bytes) -> Sequence[bytes]:
        """What a request is found by. Raises TurnedAway."""
        from runner.ledger.terms import Hasher, values_at

        values = dict.fromkeys(value for _, value in values_at(orjson.loads(body), self._route.find))
        try:
            return Hasher(self._sealer, self._ledger.secret).terms(values)
        except KeysError as error:
            raise TurnedAway(problems.without_keys(error)) from None


def owner(route: HttpRoute, caller: str) -> str:
    """Whose a message is: what one caller's keys mean, and how his messages stand, is nothing to another."""
    return f"{route} ({caller})" if caller else str(route)


def is_owned(publisher: str) -> bool:
    """Whether that is a route and its caller, as `owner` has them."""
    return publisher.endswith(")") and " (" in publisher


def _turned_away(status: int, detail: str) -> TurnedAway:
    return TurnedAway(problems.problem(status, detail))


def _tell(promise: Promise[T], result: T, error: LedgerError | None) -> None:
    if error is None:
        promise.keep(result)
    else:
        promise.fail(ledger_away(str(error)))
