"""What each kind of child is made of. After a reload one goes on if that is still the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.config.loader import LoadedPipeline
from runner.handlers.modules import imported_files
from runner.processes.parts import Parts
from runner.topology import plan


def of_intake(loaded: LoadedPipeline, parts: Parts) -> object:
    pipeline = loaded.pipeline
    names = {stage.consume: stage.name for stage in pipeline.stages.values()}
    rest = replace(pipeline, http=parts.intake, mailbox=None, health=None, console=None, alerts=None, stages={})
    return rest, names, plan(pipeline), _schemas(loaded), pipeline.is_watched


def of_worker(loaded: LoadedPipeline, parts: Parts, processes: int) -> object:
    pipeline = loaded.pipeline
    own = {stage.name: stage for stage in parts.stages}
    rest = replace(pipeline, http=None, mailbox=None, health=None, console=None, alerts=None, stages=own)
    made = rest, plan(pipeline), _schemas(loaded), imported_files(pipeline.folder)
    return *made, processes, pipeline.is_watched


def of_all(loaded: LoadedPipeline, parts: Parts, processes: int) -> object:
    """For a child that shows all the others: where one of them is replaced, it is, too."""
    return loaded.pipeline, parts, of_worker(loaded, parts, processes)


def _schemas(loaded: LoadedPipeline) -> Mapping[str, object]:
    return {queue: dict(schema.documents) for queue, schema in loaded.schemas.items()}
