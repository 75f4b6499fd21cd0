"""`runner run`: starts the parts of a pipeline, and keeps them running."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import click

from runner.brokers.exclusive import check_nobody_has
from runner.commands import banner
from runner.commands.deeds import MOVING
from runner.commands.loading import PIPELINE, errors_logged, load_and_warn
from runner.config.loader import LoadedPipeline
from runner.errors import StartError
from runner.observability import logs, observers, streams
from runner.processes.parts import UnknownPartError
from runner.processes.reload import Assembly, Reloading, assemble
from runner.processes.runs import RunFile
from runner.processes.supervisor import Supervisor
from runner.wording import facts


@click.command()
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
@click.option("--watch", is_flag=True, help="Reload when the file, a schema or a handler's module changes.")
def run(pipeline: Path, processes: int, only: Sequence[str], log_level: str, log_format: str, *, watch: bool) -> None:
    """Start intake, workers and mailbox, and keep them running.

    `runner reload`, or SIGHUP, makes the run take a changed file without a stop.
    """
    began = time.monotonic()
    streams.spare_closed()
    configure = partial(logs.configure, level=log_level, form=log_format)
    configure("runner")
    as_log = log_format == "json"
    events = observers.attach()
    with errors_logged() if as_log else nullcontext():
        loaded = load_and_warn(pipeline, as_log=as_log)
        found = RunFile(pipeline)  # first: whoever moves queues looks for it when nobody else can lock any more
        try:
            check_nobody_has(loaded.pipeline.folder / MOVING)
            assembly = _assembly(loaded, only, processes)
        except BaseException as error:
            found.close()
            if not isinstance(error, StartError):
                raise
            events.cannot_start("", str(error))
            sys.exit(1)

    # Worded now: by the time that all is up, the files may have changed.
    told = list(banner.lines(loaded, assembly.parts, processes=processes)) if log_format == "text" else []

    def announce() -> None:
        if log_format == "text":
            with streams.unheard():
                click.echo("\n".join([banner.heading(loaded, time.monotonic() - began), *told]), err=True)
        else:
            logging.getLogger("runner").info(
                "%s is up", loaded.pipeline.name, extra=facts(pipeline=loaded.pipeline.name)
            )

    reloading = Reloading(pipeline, assembly, only, processes, found, watch=watch)
    supervisor = Supervisor(
        assembly.children,
        shutdown_timeout=loaded.pipeline.shutdown_timeout,
        configure_child=configure,
        on_up=announce,
        on_stop=reloading.close,
        events=events,
        reload=reloading,
    )
    status = supervisor.run()
    streams.let_go()
    sys.exit(status)


def _assembly(loaded: LoadedPipeline, only: Sequence[str], processes: int) -> Assembly:
    try:
        return assemble(loaded, only, processes)
    except UnknownPartError as error:
        raise click.BadParameter(str(error), param_hint="--only") from None
