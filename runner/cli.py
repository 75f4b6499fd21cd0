"""The command line. Thin: each command reads its arguments, calls a room, and prints.

Exit statuses: 0 done, 1 problems, 2 wrong usage.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from runner import __version__
from runner.errors import ConfigError, Problem, RunnerError
from runner.observability import logs

if TYPE_CHECKING:
    from runner.brokers.base import Broker
    from runner.config.loader import LoadedPipeline

PIPELINE = click.argument("pipeline", type=click.Path(path_type=Path), default="pipeline.yaml", metavar="[PIPELINE]")
PIPELINE_OPTION = click.option(
    "-p",
    "--pipeline",
    type=click.Path(path_type=Path),
    default="pipeline.yaml",
    show_default=True,
    help="The pipeline file.",
)
BROKER_TIMEOUT = 5.0
"""Seconds that a command waits for the broker to answer."""


class Commands(click.Group):
    """Says an error as one clear line, and keeps the order in which commands are written."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            _print_problems(error.problems)
            ctx.exit(1)
        except RunnerError as error:
            click.echo(f"runner: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Run a pipeline of queues, stages and HTTP routes that one YAML file declares.

    PIPELINE is that file, pipeline.yaml unless another one is named.
    """


# -- run ------------------------------------------------------------------------------------


@main.command()
@PIPELINE
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--only",
    multiple=True,
    metavar="PART",
    help="Start only this part: 'intake', 'mailbox' or a stage's name. May be given several times.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option("--log-format", type=click.Choice(list(logs.FORMATS)), default="text", show_default=True)
def run(pipeline: Path, processes: int, only: Sequence[str], log_level: str, log_format: str) -> None:
    """Start intake, workers and mailbox, and keep them running."""
    began = time.monotonic()
    configure = partial(logs.configure, level=log_level, form=log_format)
    configure("runner")
    loaded = _load(pipeline)
    _check_parts(loaded, only)

    from runner.children import children
    from runner.supervisor import Supervisor

    def announce() -> None:
        from runner.banner import lines

        took = time.monotonic() - began
        if log_format == "text":
            click.echo("\n".join(lines(loaded, only=only, processes=processes, took=took)), err=True)
        else:
            logging.getLogger("runner").info("%s is up", loaded.pipeline.name)

    supervisor = Supervisor(
        children(loaded, only=only, processes=processes),
        shutdown_timeout=loaded.pipeline.shutdown_timeout,
        configure_child=configure,
        on_up=announce,
    )
    sys.exit(supervisor.run())


def _check_parts(loaded: LoadedPipeline, only: Sequence[str]) -> None:
    from runner.wording import did_you_mean

    parts = {"intake": loaded.pipeline.http, "mailbox": loaded.pipeline.mailbox}
    known = [*(name for name, part in parts.items() if part is not None), *loaded.pipeline.stages]
    for part in only:
        if part not in known:
            hint = did_you_mean(part, known)
            raise click.BadParameter(
                f"'{part}' is no part of it{hint}; known are {', '.join(known)}", param_hint="--only"
            )


# -- check and show --------------------------------------------------------------------------


@main.command()
@PIPELINE
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Count warnings as problems.")
def check(pipeline: Path, form: str, strict: bool) -> None:
    """Check the whole file, as 'run' does before it starts anything."""
    try:
        loaded = _loader(pipeline)
        problems: Sequence[Problem] = loaded.warnings
    except ConfigError as error:
        problems = error.problems
    failed = any(problem.severity == "error" or strict for problem in problems)
    if form == "json":
        fields = ("file", "line", "column", "severity", "message")
        document = [{field: getattr(problem, field) for field in fields} for problem in problems]
        click.echo(orjson.dumps({"ok": not failed, "problems": document}, option=orjson.OPT_INDENT_2))
    else:
        _print_problems(problems)
        if not failed:
            stages, queues = len(loaded.pipeline.stages), len(loaded.pipeline.queues)
            click.echo(f"{pipeline}: fine ({_count(stages, 'stage')}, {_count(queues, 'queue')})")
    sys.exit(1 if failed else 0)


@main.command()
@PIPELINE
@click.option("--graph", is_flag=True, help="Draw the pipeline instead.")
@click.option("--mermaid", is_flag=True, help="Draw the pipeline as Mermaid, for documents.")
def show(pipeline: Path, graph: bool, mermaid: bool) -> None:
    """Show the file with every default filled in, and its retry tables."""
    from runner import show as shown

    loaded = _load(pipeline)
    draw = shown.graph_mermaid if mermaid else shown.graph_text if graph else shown.full
    click.echo(draw(loaded), nl=False)


# -- send, status, mail -------------------------------------------------------------------------


@main.command()
@PIPELINE_OPTION
@click.argument("target")
@click.argument("file", type=click.File("rb"), default="-")
def send(pipeline: Path, target: str, file: Any) -> None:
    """Publish JSON documents from FILE, or from standard input.

    FILE is one JSON document, or has one on each line. TARGET is a queue, or an HTTP route
    whose queues are meant: 'POST /make-payment'.
    """
    from runner import send as sending
    from runner.progress import Progress

    loaded = _loader(pipeline)
    router = sending.target(loaded, target)
    with _broker(loaded, "send") as broker, Progress(_size(file)) as progress:
        try:
            sending.send(broker, router, sending.documents(file), progress)
        except RunnerError as error:
            raise RunnerError(f"{error}; {progress.place()}") from error
    faults = f", {progress.faults:,} not sent" if progress.faults else ""
    click.echo(f"{_count(progress.confirmed, 'message')} confirmed on {target}{faults}")
    sys.exit(1 if progress.faults else 0)


@main.command()
@PIPELINE
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(pipeline: Path, watch: bool, form: str) -> None:
    """Count the messages of each queue: ready, in hand, delayed, dead."""
    from runner import status as depths

    loaded = _loader(pipeline)
    with _broker(loaded, "status", declare=False) as broker:
        if form == "json":
            click.echo(depths.as_json(loaded, broker))
        elif watch:
            depths.watch(loaded, broker)
        else:
            depths.show(loaded, broker)


@main.command()
@PIPELINE_OPTION
@click.argument("which", required=False)
def mail(pipeline: Path, which: str | None) -> None:
    """List the development mailbox, or show one of its mails.

    WHICH is its number, or a part of its Message-ID, such as a payment's id.
    """
    from runner import mailbox

    loaded = _loader(pipeline)
    if loaded.pipeline.mailbox is None:
        raise RunnerError(f"{pipeline} has no mailbox section")
    folder = loaded.pipeline.mailbox.folder
    click.echo(mailbox.render_mail(folder, which) if which else mailbox.render_list(folder))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Write a small pipeline into FOLDER, to start from."""
    from runner.starter import write

    files = write(folder)
    click.echo(f"wrote {', '.join(str(file) for file in files)}")
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"next: {there}runner run")


# -- shared by the commands ------------------------------------------------------------------------


def _loader(path: Path) -> LoadedPipeline:
    from runner.config.loader import load

    return load(path)


def _load(path: Path) -> LoadedPipeline:
    """The pipeline, ready to be run; its warnings are printed."""
    loaded = _loader(path)
    _print_problems(loaded.warnings)
    return loaded


@contextmanager
def _broker(loaded: LoadedPipeline, part: str, *, declare: bool = True) -> Iterator[Broker]:
    """The broker, for a command."""
    from runner.brokers import connect
    from runner.topology import plan

    logs.configure(part, level="error")
    broker = connect(loaded.pipeline, part)
    broker.start(plan(loaded.pipeline), timeout=BROKER_TIMEOUT, declare=declare)
    try:
        yield broker
    finally:
        broker.close()


def _print_problems(problems: Sequence[Problem]) -> None:
    colours = {"error": "red", "warning": "yellow"}
    for problem in problems:
        place, _, _ = str(problem).partition(problem.message)
        click.echo(click.style(place, fg=colours[problem.severity]) + problem.message, err=True)


def _size(file: Any) -> int | None:
    try:
        return os.fstat(file.fileno()).st_size or None
    except OSError:
        return None


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
