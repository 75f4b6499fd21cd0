"""Pausing a stage for all its workers, and resuming it, as an operator does.

Each is written down before it is done, by the command line and the console alike. Left out: how the workers
hear of it (see `ledger.pauses` and `worker.held`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.audit import INTERRUPTED, Trail
from runner.errors import RunnerError
from runner.pipeline import Stage

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger


def pause(ledger: Ledger, trail: Trail, stage: Stage) -> bool:
    """Let no worker of `stage` take anything, on any machine, until somebody resumes it; they hear of it
    within a second or two. False: it is paused already. Raises RunnerError."""
    if stage.name in ledger.pauses.all():
        return False
    return _accounted(trail, stage, lambda: ledger.pauses.put(stage.name, trail.reason, trail.who))


def resume(ledger: Ledger, trail: Trail, stage: Stage) -> bool:
    """End that. False: nobody has paused it. Raises RunnerError."""
    if stage.name not in ledger.pauses.all():
        return False
    return _accounted(trail, stage, lambda: ledger.pauses.remove(stage.name))


def _accounted(trail: Trail, stage: Stage, act: Callable[[], bool]) -> bool:
    trail.write_stage(stage.name, stage.consume)
    failed = INTERRUPTED
    try:
        done = act()
        failed = "" if done else "somebody else has done it"
    except RunnerError as error:
        failed = str(error)
        raise
    finally:
        if failed:
            trail.write_stage(stage.name, stage.consume, failed)
    return done
