"""Which parts of a pipeline a run starts: all in the file, or those that `--only` names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from runner.config.loader import LoadedPipeline
from runner.errors import RunnerError
from runner.pipeline import Alerts, Console, Health, Http, Mailbox, Pipeline, Stage
from runner.topology import plan
from runner.wording import did_you_mean

INTAKE, MAILBOX = "intake", "mailbox"
"""The names of the parts that aren't stages."""

READY_POLL = 0.005
"""Seconds between checks whether a part is ready."""


class UnknownPartError(RunnerError):
    """`--only` names what the file doesn't have."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The wanted parts of a pipeline: None, or no stages, for unwanted ones."""

    intake: Http | None
    mailbox: Mailbox | None
    stages: tuple[Stage, ...]
    health: Health | None = None
    """Part of every run of a pipeline that has it, as is the console."""
    console: Console | None = None
    alerts: Alerts | None = None
    whole: bool = True
    """Whether no part of the file is left out."""


def _use_keys(parts: Parts, loaded: LoadedPipeline) -> bool:
    """Whether some of them seal (also the result of a stage that runs once), reveal, or hash. Other
    parts check, route and carry what is sealed, and need no keys."""
    topology = plan(loaded.pipeline)
    routes = [route for http in parts.intake.routes for route in http.publish] if parts.intake is not None else []
    queues = {queue for route in routes for destination in route.to for queue in topology.queues_of(destination)}
    seals = any(schema.marks is not None for queue, schema in loaded.schemas.items() if queue in queues)
    http = parts.intake.routes if parts.intake is not None else ()
    return (
        seals
        or any(stage.reveal or stage.find or (stage.once and stage.publish) for stage in parts.stages)
        or any(route.find or route.idempotency != "off" or route.verify is not None for route in http)
    )


def prepare_keys(parts: Parts, loaded: LoadedPipeline) -> None:
    """Have the keys at hand that these parts need; in development, make them. Raises KeysError."""
    if loaded.sealer is not None and _use_keys(parts, loaded):
        loaded.sealer.prepare(production=loaded.pipeline.production)


def parts_of(pipeline: Pipeline, only: Collection[str] = ()) -> Parts:
    """The parts that `only` names: `intake`, `mailbox` and stages (empty: all).

    Raises UnknownPartError.
    """
    there = {INTAKE: pipeline.http, MAILBOX: pipeline.mailbox, **pipeline.stages}
    known = [name for name, part in there.items() if part is not None]
    for name in only:
        if name not in known:
            hint = did_you_mean(name, known)
            raise UnknownPartError(f"'{name}' is not a part of it{hint}; the parts are {', '.join(known)}")
    wanted = set(only or known)
    return Parts(
        pipeline.http if INTAKE in wanted else None,
        pipeline.mailbox if MAILBOX in wanted else None,
        tuple(stage for name, stage in pipeline.stages.items() if name in wanted),
        pipeline.health,
        pipeline.console,
        pipeline.alerts,
        whole=wanted.issuperset(known),
    )
