"""`runner check`: reports everything that is wrong with a file. Exits with 1 if anything is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import orjson

from runner.commands.loading import PIPELINE, print_problems
from runner.commands.terminal import FORMAT
from runner.config.loader import load
from runner.errors import ConfigError, Problem
from runner.wording import counted


@click.command()
@PIPELINE
@FORMAT
@click.option("--strict", is_flag=True, help="Count warnings as problems.")
def check(pipeline: Path, form: str, strict: bool) -> None:
    """Check the whole file, as 'run' does before it starts anything."""
    try:
        loaded = load(pipeline)
        problems: Sequence[Problem] = loaded.warnings
    except ConfigError as error:
        problems = error.problems
    failed = any(problem.severity == "error" or strict for problem in problems)
    if form == "json":
        fields = ("file", "line", "column", "key", "severity", "message")
        document = [{field: getattr(problem, field) for field in fields} for problem in problems]
        click.echo(orjson.dumps({"ok": not failed, "problems": document}, option=orjson.OPT_INDENT_2))
    else:
        print_problems(problems)
        if not failed:
            stages, queues = len(loaded.pipeline.stages), len(loaded.pipeline.queues)
            click.echo(f"{pipeline}: fine ({counted(stages, 'stage')}, {counted(queues, 'queue')})")
    sys.exit(1 if failed else 0)
