"""What an operator has begun and that takes longer than a request: replaying and dropping, cancelling and draining.

One job runs at a time, on a thread. It lives in the console's process, whose end is its end: what it has
in hand is finished. Left out: what is done to one message (see `operations` and `backlog`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field

from runner.brokers.base import Shelf
from runner.deadletters import DeadLetter
from runner.errors import RunnerError
from runner.wording import facts

log = logging.getLogger("runner.console")

MOST_REASONS = 10
"""Refusals that are told one by one."""
MOST_JOBS = 50
"""Jobs that are remembered."""
PATIENCE = 1.0
"""Seconds in which a short job is done before its page is first shown."""
END_TIMEOUT = 5.0
"""Seconds that what a job has in hand may take at the end."""

Letters = Generator[tuple[Shelf, DeadLetter]]
"""They hold their queue until they are closed."""
Look = Callable[[Callable[[], bool]], Letters]
"""Finds them, as long as what it asks before each one says so."""
Deed = Callable[[Shelf, DeadLetter], str]
"""Why a dead letter stays; empty: it has been dealt with. Raises RunnerError."""


@dataclass(slots=True)
class Job:
    """One deed on many messages. Its thread writes, others read."""

    number: int
    deed: str
    """`replay` or `drop`: of dead letters; `cancel` or `drain`: of messages that wait."""
    queue: str = ""
    """On which they wait."""
    file: str = ""
    """Into which they are drained."""
    done: int = 0
    stay: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)
    """Ids of some that stay, and why."""
    error: str = ""
    """Why it ended too early; empty: it didn't."""
    over: threading.Event = field(default_factory=threading.Event)
    stopped: bool = False
    """Whether it was asked to end."""


class Jobs:
    """Those of one console. Any thread may call any method."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()

    def begin(self, deed: str, look: Look, one: Deed, *, queue: str = "", file: str = "") -> Job | None:
        """Begin to do `one` to all that is found; None: another job is running."""
        with self._lock:
            if any(not job.over.is_set() for job in self._jobs.values()):
                return None
            job = Job(max(self._jobs, default=0) + 1, deed, queue, file)
            self._jobs[job.number] = job
            while len(self._jobs) > MOST_JOBS:
                del self._jobs[min(self._jobs)]
        threading.Thread(target=_work, args=(job, look, one), name=f"{deed}-{job.number}", daemon=True).start()
        job.over.wait(PATIENCE)
        return job

    def get(self, number: int) -> Job | None:
        return self._jobs.get(number)

    def end(self) -> None:
        """Stop the one that runs, when it has done what it has in hand: else that might be sent, and stay as well."""
        with self._lock:
            running = [job for job in self._jobs.values() if not job.over.is_set()]
        for job in running:
            job.stopped = True
            job.over.wait(END_TIMEOUT)


def held(doer: AbstractContextManager[object], look: Look) -> Look:
    """`look`, which lets go of the `doer` of the deed when all is done."""

    def looked(goes_on: Callable[[], bool]) -> Letters:
        with doer, closing(look(goes_on)) as letters:
            yield from letters

    return looked


@dataclass(slots=True)
class Plan:
    """What a job would do."""

    do: int = 0
    stay: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)
    partial: bool = False
    """Whether there are more than were looked at."""


def plan_of(look: Look, one: Deed, *, seconds: float) -> Plan:
    """What `one` would do to all that is found, as far as `seconds` allow to look. Raises RunnerError."""
    plan, deadline = Plan(), time.monotonic() + seconds

    def goes_on() -> bool:
        plan.partial = time.monotonic() > deadline
        return not plan.partial

    with closing(look(goes_on)) as letters:
        for on, letter in letters:
            if stays := one(on, letter):
                plan.stay += 1
                _tell(plan.reasons, letter, stays)
            else:
                plan.do += 1
    return plan


def _work(job: Job, look: Look, one: Deed) -> None:
    try:
        with closing(look(lambda: not job.stopped)) as letters:
            for on, letter in letters:
                if stays := one(on, letter):
                    job.stay += 1
                    _tell(job.reasons, letter, stays)
                else:
                    job.done += 1
    except RunnerError as error:
        job.error = str(error)
    except Exception as error:  # else the page would say for ever that it is running
        log.exception("%s has failed", job.deed, extra=facts(deed=job.deed))
        job.error = f"{type(error).__name__}: {error}"
    finally:
        job.over.set()


def _tell(reasons: list[tuple[str, str]], letter: DeadLetter, stays: str) -> None:
    if len(reasons) < MOST_REASONS:
        reasons.append((letter.id, stays))
