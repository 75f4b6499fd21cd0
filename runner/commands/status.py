"""`runner status`: counts the messages of each queue; the counting is the broker's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import click
import orjson
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from runner.brokers.base import Broker, Depth
from runner.commands.connecting import connected
from runner.commands.loading import PIPELINE
from runner.commands.terminal import FORMAT, print_table
from runner.config.loader import LoadedPipeline, load
from runner.errors import BrokerUnavailableError
from runner.wording import counted, one_line, paused

WATCH_EVERY = 1.0
"""Seconds."""


@click.command()
@PIPELINE
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@FORMAT
def status(pipeline: Path, watch: bool, form: str) -> None:
    """Count the messages of each queue: ready, in hand, delayed, dead."""
    loaded = load(pipeline)
    with connected(loaded, "status", declare=False) as broker:
        if form == "json":
            print_json(loaded, broker)
            if watch:
                _again_and_again(lambda: print_json(loaded, broker), lambda why: click.echo(why, err=True))
        elif watch:
            show_again_and_again(loaded, broker)
        else:
            print_depths(loaded, broker)


def print_json(loaded: LoadedPipeline, broker: Broker) -> None:
    """Queue → its depth, as one JSON object on a line."""
    click.echo(orjson.dumps({queue: asdict(depth) for queue, depth in _depths(loaded, broker).items()}))


def print_depths(loaded: LoadedPipeline, broker: Broker) -> None:
    print_table(_table(loaded, _depths(loaded, broker)), wraps=["consumed by"])


def show_again_and_again(loaded: LoadedPipeline, broker: Broker) -> None:
    """The table, redrawn every second; waits for a broker that goes away."""
    with Live(_table(loaded, _depths(loaded, broker)), auto_refresh=False) as live:
        _again_and_again(
            lambda: live.update(_table(loaded, _depths(loaded, broker)), refresh=True),
            lambda why: live.update(why, refresh=True),
        )


def _again_and_again(show: Callable[[], None], tell: Callable[[str], None]) -> None:
    """Every second, until Ctrl-C; `tell` gets why the broker is away."""
    try:
        while True:
            time.sleep(WATCH_EVERY)
            try:
                show()
            except BrokerUnavailableError as error:
                tell(str(error))
    except KeyboardInterrupt:
        pass


def _depths(loaded: LoadedPipeline, broker: Broker) -> Mapping[str, Depth]:
    return broker.depths(loaded.pipeline.queues)


def _table(loaded: LoadedPipeline, depths: Mapping[str, Depth]) -> Table:
    consumers = {stage.consume: stage.name for stage in loaded.pipeline.stages.values()}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("queue")
    for heading in ("ready", "in hand", "delayed", "dead"):
        table.add_column(heading, justify="right")
    table.add_column("consumed by")
    for queue in loaded.pipeline.queues:
        table.add_row(*_row(queue, depths.get(queue), consumers.get(queue)))
    return table


def _row(queue: str, depth: Depth | None, stage: str | None) -> tuple[str, ...]:
    if depth is None:
        return (queue, "-", "-", "-", "-", "[yellow]not declared yet[/]")
    by = _consumed_by(depth, stage)
    more = "+" if depth.looked_at else ""
    dead = f"[red]{depth.dead:,}{more}[/]" if depth.dead else f"0{more}"
    return (queue, f"{depth.ready:,}", f"{depth.in_hand:,}", f"{depth.delayed:,}{more}", dead, by)


def _consumed_by(depth: Depth, stage: str | None) -> str:
    others = f"; {counted(depth.strangers, 'other consumer')}" if depth.strangers else ""
    if stage is None:
        return f"nobody here{others}"
    if depth.consumers:
        held = f", {depth.paused:,} {_paused(depth)}" if depth.paused else ""
        return f"{stage} ({counted(depth.consumers, 'worker')}{held}){others}"
    if depth.paused:
        return f"[yellow]{stage} ({counted(depth.paused, 'worker')}, {_paused(depth)}){others}[/]"
    return f"[yellow]{stage}: no worker{others}[/]"


def _paused(depth: Depth) -> str:
    return escape(paused(one_line(depth.why)))
