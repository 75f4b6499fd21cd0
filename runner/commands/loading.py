"""How a command gets its pipeline, and reports what is wrong with the file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from runner.config.loader import LoadedPipeline, load
from runner.errors import ConfigError, Problem, RunnerError
from runner.observability.streams import unheard
from runner.pipeline import Pipeline, Stage
from runner.wording import did_you_mean, facts

log = logging.getLogger("runner.config")

PIPELINE = click.argument("pipeline", type=click.Path(path_type=Path), default="pipeline.yaml", metavar="[PIPELINE]")
PIPELINE_OPTION = click.option(
    "-p",
    "--pipeline",
    type=click.Path(path_type=Path),
    default="pipeline.yaml",
    show_default=True,
    help="The pipeline file.",
)


def load_and_warn(path: Path, *, as_log: bool = False) -> LoadedPipeline:
    """The pipeline, ready to run. Prints its warnings, or logs them. Raises ConfigError."""
    loaded = load(path)
    tell = log_problems if as_log else print_problems
    tell(loaded.warnings)
    return loaded


@contextmanager
def errors_logged() -> Iterator[None]:
    """For a program that logs as JSON: an error inside is a line of the log, and ends the program."""
    try:
        yield
    except ConfigError as error:
        log_problems(error.problems)
        sys.exit(1)
    except RunnerError as error:
        log.error("%s", error, extra=facts(reason=error))
        sys.exit(1)


def log_problems(problems: Sequence[Problem]) -> None:
    """A line of the log for each."""
    for problem in problems:
        known = facts(file=problem.file, line=problem.line or None, column=problem.column or None, key=problem.key)
        level = logging.ERROR if problem.severity == "error" else logging.WARNING
        log.log(level, "%s", problem.message, extra=known)


def print_problems(problems: Sequence[Problem]) -> None:
    """One line each, to stderr; a terminal shows the place in colour."""
    colours = {"error": "red", "warning": "yellow"}
    for problem in problems:
        place, _, _ = str(problem).partition(problem.message)
        with unheard():
            click.echo(click.style(place, fg=colours[problem.severity]) + problem.message, err=True)


def stage_of(pipeline: Pipeline, name: str) -> Stage:
    """The stage of that name. Raises RunnerError."""
    if name not in pipeline.stages:
        known = f"the stages are {', '.join(pipeline.stages)}" if pipeline.stages else "the file has no stages"
        raise RunnerError(f"there is no stage '{name}'{did_you_mean(name, pipeline.stages)}; {known}")
    return pipeline.stages[name]
