"""Is there a ledger for what is to be remembered, and something that can be?"""

from __future__ import annotations

from collections.abc import Iterator

from runner.config.draft import Draft
from runner.errors import Problem, Trail
from runner.pipeline import Pipeline


def ledger_problems(draft: Draft) -> Iterator[Problem]:
    """What only a ledger can do, without one; and what is recorded of no result."""
    if draft.document.node(("ledger",)) is None:
        for trail, message in _ledger_users(draft.pipeline):
            yield draft.document.problem(
                trail, f"{message} needs a ledger; add 'ledger: sqlite:var/ledger.db'", key=True
            )
    for stage in draft.pipeline.stages.values():
        for key in ("on_unknown", "key_lifetime", "reconcile"):
            if not stage.once and draft.document.node(("stages", stage.name, key)) is not None:
                message = f"stage {stage.name}: {key} says nothing without 'once: true'"
                yield draft.document.problem(("stages", stage.name, key), message, key=True)
    yield from _records(draft)


def _ledger_users(pipeline: Pipeline) -> Iterator[tuple[Trail, str]]:
    for route in pipeline.http.routes if pipeline.http else ():
        asked = {
            "status": route.status is not None,
            "idempotency": route.idempotency != "off",
            "auth": route.auth != "off",
            "rate_limit": route.rate_limit is not None,
            "find": bool(route.find),
        }
        for key in (key for key, is_asked in asked.items() if is_asked):
            yield ("http", "routes", str(route), key), f"route {route}: {key}"
    for stage in pipeline.stages.values():
        wanted = {"once": stage.once, "settles": stage.settles, "record": stage.record, "find": stage.find}
        for key in (key for key, is_wanted in wanted.items() if is_wanted):
            yield ("stages", stage.name, key), f"stage {stage.name}: {key}"


def _records(draft: Draft) -> Iterator[Problem]:
    """A stage that publishes nothing has no result to point into."""
    for stage in draft.pipeline.stages.values():
        if stage.settles is not None and not stage.publish:
            message = f"stage {stage.name}: settles points into the result, but the stage publishes none"
            yield draft.document.problem(("stages", stage.name, "settles"), message, key=True)
        for name, value in stage.record.items():
            trail: Trail = ("stages", stage.name, "record", name)
            if value.startswith("/") and not stage.publish:
                points = f"record.{name} points into the result, but the stage publishes none"
                message = f"stage {stage.name}: {points}; write a text, such as sent"
                yield draft.document.problem(trail, message)
