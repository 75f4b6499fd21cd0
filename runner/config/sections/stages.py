"""`stages` and `defaults`."""

from __future__ import annotations

import dataclasses
from typing import Any

from runner.config.sections.publish import publish
from runner.config.sections.values import LONGEST_KEEP, LONGEST_WAIT, Values, given
from runner.errors import Trail
from runner.pipeline import DEFAULT_RETRY, PREFETCH_ONCE, RECONCILE, Breaker, Stage

OFF = "off"


def stages(values: Values) -> dict[str, Stage]:
    """All of them, by name."""
    defaults = _retry(values, ("defaults", "retry"))
    return {name: _stage(values, ("stages", name), defaults) for name in values.entries(("stages",))}


def _stage(values: Values, trail: Trail, default_retry: dict[str, Any]) -> Stage:
    return Stage(
        name=str(trail[-1]),
        consume=values.wiring((*trail, "consume"), needed=True) or "",
        handler=values.value((*trail, "handler")) or "",
        settings=values.value((*trail, "settings")) or {},
        publish=publish(values, trail),
        reveal=tuple(values.texts((*trail, "reveal"))),
        find=tuple(values.texts((*trail, "find"))),
        retry=dataclasses.replace(DEFAULT_RETRY, **(default_retry | _retry(values, (*trail, "retry")))),
        **_timeout(values, trail),
        **given(
            concurrency=_own_or_default(values, trail, "concurrency"),
            prefetch=_prefetch(values, trail),
            breaker=_breaker(values, (*trail, "breaker")),
            once=values.value((*trail, "once")),
            on_unknown=values.value((*trail, "on_unknown")),
            key_lifetime=values.duration((*trail, "key_lifetime"), 1.0, LONGEST_KEEP),
            reconcile=_reconcile(values, (*trail, "reconcile")),
            settles=values.value((*trail, "settles")),
            record=_record(values, (*trail, "record")),
        ),
    )


def _timeout(values: Values, stage: Trail) -> dict[str, Any]:
    """Nothing where the model's default holds."""
    own: Trail = (*stage, "timeout")
    trail = own if values.document.node(own) is not None else ("defaults", "timeout")
    if values.value(trail) == OFF:
        return {"timeout": None}
    return given(timeout=values.duration(trail, 0.1, LONGEST_WAIT))


def _record(values: Values, trail: Trail) -> dict[str, str] | None:
    """Those entries that can be read."""
    written = values.value(trail)
    return (
        {name: text for name in written if isinstance(text := values.value((*trail, name)), str)} if written else None
    )


def _reconcile(values: Values, trail: Trail) -> tuple[float, ...] | None:
    written = values.value(trail)
    if not isinstance(written, list):
        return RECONCILE if written else None
    waits = (values.duration((*trail, index), 0.001, LONGEST_WAIT) for index in range(len(written)))
    return tuple(wait for wait in waits if wait is not None)


def _prefetch(values: Values, stage: Trail) -> int | None:
    written = _own_or_default(values, stage, "prefetch")
    return PREFETCH_ONCE if written is None and values.value((*stage, "once")) else written


def _own_or_default(values: Values, stage: Trail, key: str) -> int | None:
    own = values.whole((*stage, key))
    return own if own is not None else values.whole(("defaults", key))


def _retry(values: Values, trail: Trail) -> dict[str, Any]:
    """The keys of a `retry` that are given."""
    waits = {key: values.duration((*trail, key), 0.001, LONGEST_WAIT) for key in ("delay", "max_delay")}
    return given(attempts=values.whole((*trail, "attempts")), factor=values.value((*trail, "factor")), **waits)


def _breaker(values: Values, trail: Trail) -> Breaker | None:
    if values.value(trail) is None:
        return None
    failures = values.whole((*trail, "failures"))
    return Breaker(**given(failures=failures, pause=values.duration((*trail, "pause"), 0.1, LONGEST_WAIT)))
