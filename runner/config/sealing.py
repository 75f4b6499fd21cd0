"""Whether what schemas mark as sensitive can be sealed, and what stages reveal is sealed.

Left out: how a mark is written (see `runner.validation.marks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.config.draft import Draft
from runner.errors import Problem, Trail
from runner.pipeline import Stage
from runner.privacy.sealed import HIDDEN, PREFIX
from runner.topology import plan
from runner.validation.marks import is_sensitive, marked_places, sensitive_fields
from runner.validation.schema import Schema
from runner.wording import did_you_mean, listed, quoted

_SEALED = f"{PREFIX}a1b2c3d4.{'n' * 16}.{'c' * 44}.{HIDDEN}"
ADD_KEYS = "add 'keys: file:var/keys'"


def sealing_problems(draft: Draft, schemas: Mapping[str, Schema]) -> Iterator[Problem]:
    """What is wrong with keys, marks and reveals; `schemas` are those that could be read."""
    fields = {
        queue: list(dict.fromkeys(sensitive_fields(schema.marks)))
        for queue, schema in schemas.items()
        if schema.marks is not None and any(place.show for place in marked_places(schema.marks))
    }
    """Of the queues whose bodies hold something to seal: the fields that have a name, and aren't nested deeply."""
    if draft.document.node(("keys",)) is None:
        yield from _without_keys(draft, fields)
    elif not fields and all(queue.name in schemas for queue in draft.pipeline.queues.values()):
        message = (
            "keys are named, but no schema marks a field x-sensitive: nothing is sealed; mark a field, or remove keys"
        )
        yield draft.document.problem(("keys",), message, key=True, severity="warning")
    for stage in draft.pipeline.stages.values():
        queue = draft.pipeline.queues.get(stage.consume)
        if queue is not None and (queue.schema is None or queue.name in schemas):
            yield from _reveals(draft, stage, schemas.get(stage.consume), fields.get(stage.consume, []))
    if fields and not draft.has_gaps:
        yield from _unmarked(draft, schemas, fields)


def _without_keys(draft: Draft, fields: Mapping[str, list[str]]) -> Iterator[Problem]:
    for queue, names in fields.items():
        marked = listed(names) if names else "fields"
        message = f"queue {queue}: its schema marks {marked} x-sensitive, but the file names no keys"
        yield draft.document.problem(("queues", queue, "schema"), f"{message}; {ADD_KEYS}")
    for stage in draft.pipeline.stages.values():
        if stage.reveal:
            message = f"stage {stage.name} reveals {listed(stage.reveal)}, but the file names no keys"
            yield draft.document.problem(("stages", stage.name, "reveal"), f"{message}; {ADD_KEYS}")


def _reveals(draft: Draft, stage: Stage, schema: Schema | None, fields: list[str]) -> Iterator[Problem]:
    marks = schema.marks if schema is not None else None
    for field in stage.reveal:
        if marks is None or not is_sensitive(marks, field):
            trail: Trail = ("stages", stage.name, "reveal")
            hint = did_you_mean(field, fields) or (f"; it marks {listed(fields)}" if fields else "")
            said = f"stage {stage.name} reveals {quoted(field)}, which no schema of {stage.consume} marks x-sensitive"
            yield draft.document.problem(trail, said + hint)


def _unmarked(draft: Draft, schemas: Mapping[str, Schema], fields: Mapping[str, list[str]]) -> Iterator[Problem]:
    """What one queue's schema marks is sealed on the others, too, that the same route or stage publishes to."""
    topology, pipeline = plan(draft.pipeline), draft.pipeline
    routes = {f"route {route}": route.publish for route in (pipeline.http.routes if pipeline.http else ())}
    stages = {f"stage {stage.name}": stage.publish for stage in pipeline.stages.values()}
    told = set[tuple[str, str]]()
    for who, publish in (routes | stages).items():
        queues = dict.fromkeys(queue for one in publish for to in one.to for queue in topology.queues_of(to))
        sealed = {field: queue for queue in queues for field in fields.get(queue, ())}
        for queue, field in ((queue, field) for queue in queues if queue in schemas for field in sealed):
            if (queue, field) not in told and _refuses(schemas[queue], field):
                told.add((queue, field))
                message = (
                    f"queue {queue}: its schema would refuse {field}, which {who} seals since that of"
                    f" {sealed[field]} marks it x-sensitive; mark it here, too"
                )
                yield draft.document.problem(("queues", queue, "schema"), message, severity="warning")


def _refuses(schema: Schema, field: str) -> bool:
    """Whether a sealed text in a field, as `reveal` names it, breaks a schema that doesn't mark it."""
    if schema.marks is not None and is_sensitive(schema.marks, field):
        return False
    steps = tuple(field.split("."))
    body: Any = _SEALED
    for name in reversed(steps):
        body = {name: body}
    return steps in schema.breaks_at(body)
