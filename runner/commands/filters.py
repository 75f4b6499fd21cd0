"""Which messages a command means: the options, the same for dead letters and for waiting ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from runner.commands.connecting import remembering
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.recorded import fact_of
from runner.commands.when import When
from runner.config.loader import LoadedPipeline
from runner.deadletters import Filter
from runner.wording import did_you_mean, quoted

NAMES = ("ids", "stage", "error", "since", "until", "recorded")
EVERYTHING = click.option("--all", "everything", is_flag=True, help="Needed where no filter is given.")
MOST_RECORDED = 1_000_000
"""Messages with a recorded fact that are looked for."""


def _not_empty(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    """Raises BadParameter: an empty filter, of a variable that isn't set, would take more than was meant."""
    if value == "" or (isinstance(value, tuple) and "" in value):
        raise click.BadParameter("is empty; leave it out, or say what is meant")
    return value


_OPTIONS: Sequence[Callable[[Any], Any]] = (
    PIPELINE_OPTION,
    click.option("--id", "ids", multiple=True, callback=_not_empty, help="The message's id; may be repeated."),
    click.option("--queue", multiple=True, help="The queue that it failed on or waits on; may be repeated."),
    click.option("--stage", default=None, callback=_not_empty, help="The stage that it failed in."),
    click.option(
        "--error", default=None, callback=_not_empty, metavar="TEXT", help="A part of the error, or of its kind."
    ),
    click.option(
        "--since", type=When(), default=None, help="Dead-lettered since this time, such as 1h or 2026-01-31T12:00Z."
    ),
    click.option("--until", type=When(), default=None, help="Dead-lettered before this time, or so long ago."),
    click.option("--recorded", default=None, metavar="NAME=VALUE", help="What a stage has recorded of it."),
)


def filters(command: Any) -> Any:
    """Adds the options; `wanted` reads them, but for the queues."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wanted(loaded: LoadedPipeline, which: dict[str, Any]) -> Filter:
    """The options of `filters` but the queues. Raises RunnerError where the ledger doesn't know them."""
    ids, stage, error, since, until, recorded = (which.get(name) for name in NAMES)
    journeys = None if recorded is None else _journeys(loaded, recorded)
    if stage and stage not in (stages := loaded.pipeline.stages):  # messages of one that was removed may lie there
        hint = did_you_mean(stage, stages) or (f"; the stages are {', '.join(stages)}" if stages else "")
        click.echo(f"the file has no stage {quoted(stage)}{hint}", err=True)
    return Filter(frozenset(ids or ()), stage or "", error or "", since, until, journeys)


def check_scope(everything: bool, queue: Sequence[str], which: dict[str, Any]) -> None:
    """That nobody does to all of them by mistake what they mean for some. Raises UsageError."""
    if not everything and not queue and not any(which.values()):
        raise click.UsageError(
            "say which are meant: --id, --queue, --stage, --error, --since, --until, --recorded or --all"
        )


def _journeys(loaded: LoadedPipeline, recorded: str) -> frozenset[str]:
    name, value = fact_of(loaded.pipeline, recorded)
    with remembering(loaded.pipeline) as ledger:
        return frozenset(message for message, _ in ledger.find(name, value, most=MOST_RECORDED))
