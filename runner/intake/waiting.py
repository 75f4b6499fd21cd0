"""Requests that wait for the end of their message: `Prefer: wait=5` (RFC 7240, section 4.3).

One thread asks the ledger for all that wait, and only while some do. Left out: answering them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Container
from typing import TYPE_CHECKING, NamedTuple

from runner.errors import LedgerError
from runner.intake.problems import answer
from runner.intake.promise import Promise
from runner.intake.status import status_document
from runner.pipeline import Http, Pipeline

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger

LONGEST = 30
"""Seconds; who asks for more waits as long."""
EVERY = 0.1
"""Seconds between two looks into the ledger."""
MOST = 1_000
"""Requests of one process that wait at the same time; others get their 202 at once."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t -~])*+"'
_WORD = rf"{_NAME}(?:[ \t]*+=[ \t]*+(?:{_NAME}|{_QUOTED}))?+"
_PREFERENCE = rf"{_WORD}(?:[ \t]*+;[ \t]*+(?:{_WORD})?+)*+"
_LIST = re.compile(rf"[ \t]*+(?:{_PREFERENCE})?+(?:[ \t]*+,[ \t]*+(?:{_PREFERENCE})?+)*+[ \t]*+")
_ONE = re.compile(_PREFERENCE)
_IS_WAIT = re.compile(r"wait(?=[ \t=;]|$)", re.IGNORECASE)
_WAIT = re.compile(r'wait[ \t]*+=[ \t]*+("?)([0-9]{1,10})\1[ \t]*+(?:;.*)?', re.IGNORECASE)


def preferred_wait(header: str) -> int:
    """Seconds that the sender of a Prefer header would wait, at most LONGEST; 0 where it doesn't say,
    or can't be read. Of several preferences with one name the first counts (section 2)."""
    if not _LIST.fullmatch(header):
        return 0
    first = next((one[0] for one in _ONE.finditer(header) if _IS_WAIT.match(one[0])), "")
    wait = _WAIT.fullmatch(first)
    return min(int(wait[2]), LONGEST) if wait is not None else 0


def waiters_of(pipeline: Pipeline, ledger: Ledger | None) -> Waiters | None:
    """None where no route tells how its messages stand."""
    http = pipeline.http
    tells = http is not None and any(route.status is not None for route in http.routes)
    return Waiters(pipeline, http, ledger) if http is not None and ledger is not None and tells else None


class Wait(NamedTuple):
    """One request that waits. Its promise is kept on another thread: with the status document, or None
    where the wait is over without it."""

    id: str
    seconds: int
    end: Promise[bytes | None]

    @property
    def headers(self) -> dict[str, str]:
        """Of its answer, whether or not the end came in time."""
        return {"Preference-Applied": f"wait={self.seconds}"}


class Waiters:
    """Those of one process."""

    def __init__(self, pipeline: Pipeline, http: Http, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stages = {stage.consume: stage.name for stage in pipeline.stages.values()}
        self._most = min(MOST, http.max_connections // 2)
        """The rest of the connections stays free for those who don't wait."""
        self._lock = threading.Lock()
        """Guards the rest."""
        self._waiting: list[Wait] = []
        self._asking = False
        self._over = False

    def enter(self, id: str, header: str | None) -> Wait | None:
        """Wait for the message `id`, as a Prefer header asks; None where it doesn't ask, or nobody may
        wait any more. Whoever enters has to leave."""
        seconds = preferred_wait(header) if header is not None else 0
        if not seconds:
            return None
        wait = Wait(id, seconds, Promise())
        with self._lock:
            if self._over or len(self._waiting) >= self._most:
                return None
            self._waiting.append(wait)
            if not self._asking:
                self._asking = True
                self._ledger.keep_reading(self._ask, "waiters")
        return wait

    def leave(self, wait: Wait) -> None:
        with self._lock:
            if wait in self._waiting:
                self._waiting.remove(wait)

    def stop(self) -> None:
        """End all waits, and take no more."""
        with self._lock:
            self._over = True
            waiting, self._waiting = self._waiting, []
        for wait in waiting:
            wait.end.keep(None)

    def _ask(self) -> None:
        while ids := self._ids():
            try:
                ended = {journey.id: journey for journey in self._ledger.ended(ids)}
            except LedgerError:
                ended = {}  # it may be back in time
            for wait in self._take(ended):
                document = status_document(ended[wait.id], self._stages)
                wait.end.keep(answer(200, document).get_data())
            if self._ledger.closes_within(EVERY):
                self.stop()

    def _ids(self) -> list[str]:
        """Those that are waited for; none: nobody asks for them any more."""
        with self._lock:
            self._asking = bool(self._waiting)
            return list({wait.id for wait in self._waiting})

    def _take(self, ended: Container[str]) -> list[Wait]:
        """Those that wait for one of these."""
        with self._lock:
            taken = [wait for wait in self._waiting if wait.id in ended]
            self._waiting = [wait for wait in self._waiting if wait.id not in ended]
        return taken
