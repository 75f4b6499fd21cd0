"""Pausing a stage for all its workers, and resuming it, as an operator does.

Left out: how the workers hear of it (see `ledger.pauses` and `worker.held`).
"""

from __future__ import annotations

from runner.audit import Trail
from runner.ledger.ledger import Ledger
from runner.pipeline import Stage


def pause(ledger: Ledger, trail: Trail, stage: Stage, why: str, who: str) -> bool:
    """Let no worker of `stage` take anything, on any machine, until somebody resumes it; they hear of it
    within a second or two. False: it is paused already. Raises RunnerError."""
    done = ledger.pauses.put(stage.name, why, who)
    if done:
        trail.write_stage(stage.name, stage.consume)
    return done


def resume(ledger: Ledger, trail: Trail, stage: Stage) -> bool:
    """End that. False: nobody has paused it. Raises RunnerError."""
    done = ledger.pauses.remove(stage.name)
    if done:
        trail.write_stage(stage.name, stage.consume)
    return done
