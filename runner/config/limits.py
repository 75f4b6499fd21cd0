"""Limits that contradict each other, or what the broker can bear: sizes, attempts, waits, slots, time-outs."""

from __future__ import annotations

from collections.abc import Iterator

from runner.brokers import registry
from runner.config.draft import Draft
from runner.errors import Problem, Trail
from runner.pipeline import Stage
from runner.retry import RetryPolicy
from runner.units import format_duration, format_size

MOST_RUNGS = 12
"""The most distinct waits of one stage: each is a queue on the broker."""


def limit_problems(draft: Draft) -> Iterator[Problem]:
    """All of them."""
    for one in (_http_sizes, _delivery_limits, _retries, _idle_slots, _patience):
        yield from one(draft)


def _http_sizes(draft: Draft) -> Iterator[Problem]:
    http = draft.pipeline.http
    if http is not None and http.max_bodies < http.max_body:
        trail = next(trail for key in ("max_bodies", "max_body") if draft.document.node(trail := ("http", key)))
        all_of_them, one = format_size(http.max_bodies), format_size(http.max_body)
        message = f"http.max_bodies {all_of_them} is less than max_body {one}; raise it, or lower max_body"
        yield draft.document.problem(trail, message)


def _delivery_limits(draft: Draft) -> Iterator[Problem]:
    """Each death of a worker is a delivery and an attempt: the runner's own count has to end
    first, or the broker would take away messages that the runner still means to retry."""
    for stage in draft.pipeline.stages.values():
        queue = draft.pipeline.queues.get(stage.consume)
        if queue is None or queue.delivery_limit > stage.retry.attempts:
            continue
        own = ("queues", queue.name, "delivery_limit")
        trail = own if draft.document.node(own) is not None else _retry_trail(draft, stage, "attempts")
        message = (
            f"queue {queue.name} has a delivery_limit of {queue.delivery_limit}, and stage {stage.name} makes "
            f"{stage.retry.attempts} attempts; the limit must be more than the attempts"
        )
        yield draft.document.problem(trail, message)


def _retry_trail(draft: Draft, stage: Stage, key: str) -> Trail:
    """Where a stage's retries are set: in the stage, or in the defaults."""
    trails: tuple[Trail, ...] = (("stages", stage.name, "retry", key), ("defaults", "retry", key))
    return next((trail for trail in trails if draft.document.node(trail) is not None), ("stages", stage.name, "retry"))


def _retries(draft: Draft) -> Iterator[Problem]:
    """Each only once, when several stages share the same `defaults`."""
    said: set[Trail] = set()
    for stage in draft.pipeline.stages.values():
        for trail, sentence in _retry_faults(draft, stage):
            if trail not in said:
                yield draft.document.problem(trail, f"{_of(trail, stage)}{sentence}")
            said.add(trail)


def _of(trail: Trail, stage: Stage) -> str:
    return f"stage {stage.name}: " if trail[0] == "stages" else "defaults: "


def _retry_faults(draft: Draft, stage: Stage) -> Iterator[tuple[Trail, str]]:
    policy: RetryPolicy = stage.retry
    if policy.attempts > 1 and policy.delay > policy.max_delay:
        waits = f"{format_duration(policy.delay)} is longer than max_delay {format_duration(policy.max_delay)}"
        yield _retry_trail(draft, stage, "delay"), f"retry.delay {waits}; lower it or raise max_delay"
    if (rungs := len(policy.rungs())) > MOST_RUNGS:
        sentence = f"retry has {rungs} different waits, each of which is a queue; {MOST_RUNGS} are the most: "
        yield _retry_trail(draft, stage, "attempts"), sentence + "raise factor, or lower attempts or max_delay"


def _idle_slots(draft: Draft) -> Iterator[Problem]:
    for stage in draft.pipeline.stages.values():
        if stage.prefetch < stage.concurrency:
            trail: Trail = ("stages", stage.name, "prefetch")
            if draft.document.node(trail) is None:
                trail = ("stages", stage.name)
            idle = f"prefetch {stage.prefetch} is less than concurrency {stage.concurrency}"
            message = f"stage {stage.name}: {idle}, which leaves slots idle; raise it"
            yield draft.document.problem(trail, message, severity="warning")


def _patience(draft: Draft) -> Iterator[Problem]:
    """A broker that takes a message back while its handler works hands it out a second time."""
    patience = registry.takes_back_after(draft.pipeline.broker[0]) if draft.pipeline.broker else None
    if patience is None:
        return
    for stage in draft.pipeline.stages.values():
        if stage.timeout is None or stage.timeout > patience:
            written = "off" if stage.timeout is None else format_duration(stage.timeout)
            message = (
                f"stage {stage.name}: timeout is {written}, but after {format_duration(patience)} RabbitMQ hands a "
                "message out once more; lower it, or raise consumer_timeout on the broker"
            )
            yield draft.document.problem(_own_trail(draft, stage, "timeout"), message, severity="warning")


def _own_trail(draft: Draft, stage: Stage, key: str) -> Trail:
    """Where the value of a stage stands: with it, or with the defaults."""
    own: Trail = ("stages", stage.name, key)
    return own if draft.document.node(own) is not None else ("defaults", key)
