"""Whether the fields that messages are found by can be there at all.

Left out: what is kept of them (see `runner.ledger.terms`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner.config.draft import Draft
from runner.errors import Problem, Trail
from runner.pipeline import Route
from runner.topology import Topology, plan
from runner.validation.marks import is_sensitive
from runner.validation.schema import Schema
from runner.validation.subschemas import Documents, Part, walk
from runner.wording import did_you_mean, listed, quoted


def finding_problems(draft: Draft, schemas: Mapping[str, Schema]) -> Iterator[Problem]:
    """What is wrong with each `find`; `schemas` are those that could be read."""
    finders: list[tuple[Trail, str, Sequence[str], Sequence[Route]]] = [
        (("http", "routes", str(route)), f"route {route}", route.find, route.publish)
        for route in (draft.pipeline.http.routes if draft.pipeline.http else ())
    ]
    finders += [
        (("stages", stage.name), f"stage {stage.name}", stage.find, stage.publish)
        for stage in draft.pipeline.stages.values()
    ]
    if draft.has_gaps or not any(fields for _, _, fields, _ in finders):
        return
    topology = plan(draft.pipeline)
    for trail, who, fields, routes in finders:
        queues = _queues(routes, topology)
        for field in fields:
            known = [(queue, schemas[queue]) for queue in queues if queue in schemas]
            if trail[0] == "stages" and any(schema.marks and is_sensitive(schema.marks, field) for _, schema in known):
                message = f"{who}: find names {quoted(field)}, which is sealed; let the route find it, before it is"
                yield draft.document.problem((*trail, "find"), message, key=True)
            elif known and len(known) == len(queues):
                yield from _unknown(draft, trail, who, field, known)


def _unknown(
    draft: Draft, trail: Trail, who: str, field: str, schemas: Sequence[tuple[str, Schema]]
) -> Iterator[Problem]:
    """A field that no body can have, since each schema names all fields that there are."""
    names: dict[str, None] = {}
    for _, schema in schemas:
        found = _names(schema)
        if found is None or field.split(".")[-1] in found:
            return
        names |= dict.fromkeys(found)
    queues = listed([queue for queue, _ in schemas], "or")
    hint = did_you_mean(field, names)
    message = f"{who}: find names {quoted(field)}, which the schema of {queues} doesn't allow{hint}"
    yield draft.document.problem((*trail, "find"), message, key=True, severity="warning")


def _names(schema: Schema) -> Sequence[str] | None:
    """The names of all members anywhere in its bodies; None if there may be others."""
    if not isinstance(schema.document, dict) or schema.document.get("additionalProperties") is not False:
        return None
    base, *_ = schema.documents
    root = Documents(dict(schema.document), base, schema.documents).root
    return [name for part in walk([root], Part.below) for name in part.schema.get("properties", ())]


def _queues(routes: Sequence[Route], topology: Topology) -> list[str]:
    return list(dict.fromkeys(queue for route in routes for to in route.to for queue in topology.queues_of(to)))
