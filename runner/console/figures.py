"""The figures of the live pages, by name: `queue.orders.ready` is `1,204`.

A page is made with them, and a browser that looks gets those that change; both show the same. A name
with `#` in front is no text, but an attribute: a state, or the points of a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from runner.brokers.base import Depth
from runner.console.history import History
from runner.console.run import Glance, Run
from runner.observability.snapshot import Snapshot, StageNow, StageTotals
from runner.pipeline import Stage
from runner.units import format_duration
from runner.wording import counted, one_line, paused

Figures = Mapping[str, str]
COUNTS = ("ready", "in_hand", "delayed", "dead")
LONGEST_REASON = 300
"""Characters of why a stage is paused."""
UNKNOWN = "–"


def figures_of(run: Run, history: History) -> Figures:
    """All of them, now."""
    glance = run.look()
    return dict(_figures(run, glance, history))


def _figures(run: Run, glance: Glance, history: History) -> Iterator[tuple[str, str]]:
    yield "at", f"{datetime.now(UTC):%H:%M:%S}"
    yield "trouble", f"These figures are old: {glance.trouble}." if glance.trouble else ""
    yield "#trouble", "bad" if glance.trouble else "well"
    for queue in run.pipeline.queues:
        depth, stage = glance.depths.get(queue), run.stages.get(queue)
        for name in COUNTS:
            yield f"queue.{queue}.{name}", UNKNOWN if depth is None else counted_there(depth, name)
        state = _state(depth, stage)
        yield f"#queue.{queue}.state", state
        yield f"#queue.{queue}.dead", "some" if depth is not None and depth.dead else "none"
        yield f"queue.{queue}.told", _told(depth, stage)
        yield f"#queue.{queue}.waiting", history.waiting(queue)
        yield f"queue.{queue}.peak", short(history.peak(queue))
    snapshot = run.snapshot()
    for stage in run.pipeline.stages.values():
        yield from _of_stage(stage, snapshot, history)
        state = _STATES[_state(glance.depths.get(stage.consume), stage)]
        yield f"stage.{stage.name}.note", state or _rate(history, stage, snapshot)
    yield from _of_the_whole(run, glance)


def _of_stage(stage: Stage, snapshot: Snapshot, history: History) -> Iterator[tuple[str, str]]:
    """What the processes of this run have counted."""
    name = f"stage.{stage.name}"
    totals = snapshot.sum.totals.stages.get(stage.name, StageTotals())
    now = snapshot.sum.now.stages.get(stage.name, StageNow())
    yield f"{name}.rate", _rate(history, stage, snapshot)
    yield f"#{name}.rate", history.handled(stage.name)
    for count in ("handled", "retried", "dead"):
        yield f"{name}.{count}", short(getattr(totals, count))
    yield f"{name}.busy", f"{now.busy} of {now.slots}"
    half, most = (totals.seconds.quantile(share) for share in (0.5, 0.95))
    took = f"up to {format_duration(half)} for half of them" if half is not None else UNKNOWN
    yield f"{name}.took", took + (f", up to {format_duration(most)} for 95%" if most is not None else "")


def _rate(history: History, stage: Stage, snapshot: Snapshot) -> str:
    rate = history.rate(stage.name, snapshot)
    if rate is None:
        return UNKNOWN
    return f"{rate:,.0f}/s" if rate >= 10 or not rate else f"{rate:.1f}/s"


def _of_the_whole(run: Run, glance: Glance) -> Iterator[tuple[str, str]]:
    up = run.processes()
    processes = run.snapshot().processes
    for name, is_up in up.items():
        starts = processes[name].starts if name in processes else 0
        often = f", started {starts:,} times" if starts > 1 else ""
        yield f"process.{name}", f"{'up' if is_up else 'not up'}{often}"
        yield f"#process.{name}", "well" if is_up else "bad"
    troubles = [glance.trouble] if glance.trouble else []
    troubles += ["the ledger is away"] if run.ledger is not None and run.ledger.away else []
    troubles += run.down()
    for queue, stage in run.stages.items():
        if (depth := glance.depths.get(queue)) is not None and not depth.consumers:
            troubles.append(f"{stage.name} {'is paused' if depth.paused else 'has no worker'}")
    dead = sum(depth.dead for depth in glance.depths.values())
    told = "; ".join(troubles) or "Every stage has a worker"
    yield "summary", f"{told}; {counted(dead, 'dead letter')}." if dead else f"{told}."
    yield "#summary", "bad" if troubles else "well"


_STATES = {"well": "", "paused": "paused", "idle": "no worker", "unknown": "unknown", "plain": ""}


def _state(depth: Depth | None, stage: Stage | None) -> str:
    if depth is None:
        return "unknown"
    if stage is None:
        return "plain"
    if depth.consumers:
        return "well"
    return "paused" if depth.paused else "idle"


def _told(depth: Depth | None, stage: Stage | None) -> str:
    """Who consumes it, as `runner status` says."""
    if depth is None:
        return "not declared yet"
    told = []
    if stage is None:
        told.append("nobody here")
    elif depth.consumers or not depth.paused:
        told.append(counted(depth.consumers, "worker"))
    if depth.paused:
        told.append(f"{depth.paused:,} {paused(one_line(depth.why)[:LONGEST_REASON])}")
    if depth.strangers:
        told.append(counted(depth.strangers, "other consumer"))
    return ", ".join(told)


def counted_there(depth: Depth, name: str) -> str:
    """`2+`: and those that somebody looks at, who has them in hand."""
    return short(getattr(depth, name)) + ("+" if depth.looked_at and name in ("delayed", "dead") else "")


def short(count: int) -> str:
    """Exact up to 99,999; then 123k, 4.5M."""
    if count < 100_000:
        return f"{count:,}"
    return f"{count // 1000:,}k" if count < 1_000_000 else f"{count / 1_000_000:,.1f}M"
