"""All the stages of one process."""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from runner.brokers.base import Broker, Carrier
from runner.config.loader import LoadedPipeline
from runner.errors import StartError
from runner.events import UNWATCHED, Events
from runner.pipeline import Stage
from runner.routing import Router
from runner.topology import plan
from runner.worker.blackbox import BlackBox
from runner.worker.isolation import Isolation
from runner.worker.memory import Memory
from runner.worker.outcome import Decider
from runner.worker.stage import Factory, StageWorker

if TYPE_CHECKING:
    from runner.observability.snapshot import StageNow
    from runner.worker.held import Held

LOOKS = 20
"""How often in a stage's `timeout` it is looked for handlers that hang."""
SHORTEST_LOOK, LONGEST_LOOK = 0.02, 1.0
"""Seconds between two looks."""
LOCK_GRACE = 10.0
"""Seconds beyond the longest `timeout` for which a handler may keep all threads of the process
from running, before the process is ended."""
LEDGER_PAUSE = 60.0
"""Seconds for which a stage takes nothing while the ledger is away, unless it is back sooner."""
RETIRE_POLL = 0.05
"""Seconds between looks whether the last handler has returned."""
PACE_EVERY = 5.0
"""Seconds between checks whether a stage takes as much in advance as it can handle."""


class Worker:
    """All the stages of `names` (None: of the whole pipeline) in this process.

    `replaceable` tells that the process can be replaced when a handler hangs, and somebody
    waits for `hung`; else a thread of it is. `memory` is the ledger of a pipeline that has one;
    its notes observe `events`.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        broker: Broker,
        names: Iterable[str] | None = None,
        events: Events = UNWATCHED,
        *,
        box: BlackBox | None = None,
        replaceable: bool = False,
        memory: Memory | None = None,
    ) -> None:
        carrier: Carrier = broker
        if memory is not None:
            from runner.worker.journal import RememberingCarrier  # only where there is a ledger

            carrier = RememberingCarrier(broker, memory, loaded.pipeline, _looking_up(loaded), loaded.sealer)
            memory.ledger.watch(self._watch_ledger)
        wanted = set(loaded.pipeline.stages if names is None else names)
        stages = [stage for stage in loaded.pipeline.stages.values() if stage.name in wanted]
        self.schemas = {stage.name: loaded.schemas.get(stage.consume) for stage in stages}
        """By stage: the schema of the queue that it consumes."""
        self.hung = threading.Event()
        """Set when a handler hangs, so that this process ought to be replaced."""
        self._ended = threading.Event()
        self._watch_every = min((_look_every(stage) for stage in stages), default=LONGEST_LOOK)
        self._stalled_after = _stalled_after(stages) if replaceable else None
        self._watch = threading.Thread(target=self._watch_handlers, name="watch", daemon=True)
        self._over = threading.Event()
        self._pacer = threading.Thread(target=self._pace, name="pace", daemon=True)
        self._without_ledger: set[StageWorker] = set()
        """Those that are paused because the ledger is away. Only on its thread."""
        hung = self.hung.set if replaceable else None
        self._stages = _stage_workers(loaded, stages, carrier, events, memory, box, hung)

        self._held: Held | None = None
        if memory is not None and loaded.pipeline.console is not None:
            from runner.worker.held import Held  # only where somebody can pause them

            workers = zip(stages, self._stages, strict=True)
            self._held = Held({stage.name: worker for stage, worker in workers}, memory.ledger.pauses)

    @property
    def ready(self) -> bool:
        """Whether every stage is registered as a consumer now, or was and is paused."""
        return all(stage.consuming or stage.paused for stage in self._stages)

    def states(self) -> Mapping[str, StageNow]:
        """How each stage stands. From any thread."""
        return {stage.name: stage.now for stage in self._stages}

    def start(self) -> None:
        """Build and enter every handler, then begin to consume.

        Raises StartError if a handler can't be entered; nothing was consumed then.
        """
        try:
            for stage in self._stages:
                stage.enter()
        except StartError:
            self.stop(timeout=1.0)
            raise
        self._put_off_the_end()
        self._watch.start()
        if self._held is None:
            for stage in self._stages:
                stage.consume()
        else:
            self._held.start()
            threading.Thread(target=self._held.follow, args=[self._over.wait], name="held", daemon=True).start()
        self._pacer.start()

    def retire(self, retired: Callable[[], None]) -> None:
        """Take nothing more, call `retired`, and return when what has begun is finished, however long
        that takes; or as soon as a handler hangs. `stop` it then."""
        self._over.set()
        for stage in self._stages:
            stage.stop()
        retired()
        while any(stage.busy for stage in self._stages) and not self.hung.is_set():
            time.sleep(RETIRE_POLL)

    def stop(self, timeout: float) -> bool:
        """Take nothing more, give back what no handler has begun, and wait up to `timeout`
        seconds for the rest. False if some handler is still busy; one that hangs is not
        waited for."""
        deadline = time.monotonic() + timeout
        self._over.set()
        for stage in self._stages:
            stage.stop()
        finished = [stage.join(deadline) for stage in self._stages]
        self._ended.set()
        return all(finished)

    def _watch_ledger(self, away: str) -> None:
        """Pause every stage while the ledger is away: one that is paused for another reason goes
        on by itself, and is paused again then."""
        if away:
            self._without_ledger |= {s for s in self._stages if s.pause(f"the ledger is away: {away}", LEDGER_PAUSE)}
            return
        paused, self._without_ledger = self._without_ledger, set()
        for stage in paused:
            stage.resume()

    def _pace(self) -> None:
        while not self._over.wait(PACE_EVERY):
            for stage in self._stages:
                stage.pace(PACE_EVERY)

    def _watch_handlers(self) -> None:
        while not self._ended.wait(self._watch_every):
            self._put_off_the_end()
            for stage in self._stages:
                stage.give_up_overdue()
        faulthandler.cancel_dump_traceback_later()

    def _put_off_the_end(self) -> None:
        """A handler that never lets go of Python's lock stops every thread, the watch as well.
        What ends the process then needs no lock; it has to be put off again and again."""
        if self._stalled_after is not None:
            faulthandler.dump_traceback_later(self._stalled_after, exit=True, file=2)


def _factory(stage: Stage, loaded: LoadedPipeline, memory: Memory | None) -> Factory:
    """What makes the handlers of a stage."""
    factory = loaded.handlers[stage.name]
    if memory is None or not stage.once:
        return factory
    if stage.name in _looking_up(loaded):
        from runner.worker.reconcile import Reconciling

        return Reconciling(factory, stage, memory.ledger)
    if stage.on_unknown != "park":
        return factory
    from runner.worker.once import Intending

    return Intending(factory, stage, memory.ledger)


def _looking_up(loaded: LoadedPipeline) -> set[str]:
    """The stages that have something to look up, and a handler that can."""
    doubting = [s for s in loaded.pipeline.stages.values() if s.once and (s.reconcile or s.key_lifetime is not None)]
    return {stage.name for stage in doubting if loaded.handlers[stage.name].offers("look_up")}


def _stage_workers(
    loaded: LoadedPipeline,
    stages: Sequence[Stage],
    broker: Carrier,
    events: Events,
    memory: Memory | None,
    box: BlackBox | None,
    hung: Callable[[], None] | None,
) -> list[StageWorker]:
    """One for each of `stages`. Their slots are numbered one stage after the other."""
    topology = plan(loaded.pipeline)
    box = box or BlackBox(1, sum(stage.concurrency for stage in stages))
    isolation = Isolation()

    def worker(stage: Stage, first_slot: int) -> StageWorker:
        router = Router(stage.publish, topology, loaded.schemas, loaded.sealer)
        decider = Decider(stage, loaded.schemas.get(stage.consume), router, loaded.sealer)
        return StageWorker(
            stage,
            _factory(stage, loaded, memory),
            decider,
            broker,
            events,
            box=box,
            isolation=isolation,
            first_slot=first_slot,
            hung=hung,
        )

    first_slots = accumulate((stage.concurrency for stage in stages), initial=0)
    return [worker(stage, first_slot) for stage, first_slot in zip(stages, first_slots, strict=False)]


def _stalled_after(stages: Sequence[Stage]) -> float | None:
    """Seconds after which a process is ended if none of its threads can run; None: a handler may
    take as long as it likes."""
    timeouts = [stage.timeout for stage in stages]
    known = [timeout for timeout in timeouts if timeout is not None]
    return max(known) + LOCK_GRACE if known == timeouts else None


def _look_every(stage: Stage) -> float:
    return LONGEST_LOOK if stage.timeout is None else min(max(SHORTEST_LOOK, stage.timeout / LOOKS), LONGEST_LOOK)
