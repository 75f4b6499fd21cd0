"""How a command gets its pipeline, and reports what is wrong with the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from runner.config.loader import LoadedPipeline, load
from runner.errors import Problem
from runner.observability.streams import unheard

PIPELINE = click.argument("pipeline", type=click.Path(path_type=Path), default="pipeline.yaml", metavar="[PIPELINE]")
PIPELINE_OPTION = click.option(
    "-p",
    "--pipeline",
    type=click.Path(path_type=Path),
    default="pipeline.yaml",
    show_default=True,
    help="The pipeline file.",
)


def load_and_warn(path: Path) -> LoadedPipeline:
    """The pipeline, ready to run. Prints its warnings. Raises ConfigError."""
    loaded = load(path)
    print_problems(loaded.warnings)
    return loaded


def print_problems(problems: Sequence[Problem]) -> None:
    """One line each, to stderr; a terminal shows the place in colour."""
    colours = {"error": "red", "warning": "yellow"}
    for problem in problems:
        place, _, _ = str(problem).partition(problem.message)
        with unheard():
            click.echo(click.style(place, fg=colours[problem.severity]) + problem.message, err=True)
