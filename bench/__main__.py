"""python -m bench [NAME …]: run benchmarks, print the results, and keep them in a file."""

from __future__ import annotations

import datetime
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from bench import plot, results
from bench.benchmark import Benchmark
from bench.benchmarks import ALL
from bench.ground import Ground
from bench.machine import describe
from bench.race import race
from bench.report import print_record

FOLDER = Path("bench/results")
WIDTH = 120
"""Characters that a table needs; a narrower terminal wraps its lines."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--messages", type=click.IntRange(1), help="Messages a run, instead of each benchmark's own number.")
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True, help="Runs of each contender.")
@click.option("--only", multiple=True, metavar="CONTENDER", help="Only this contender. May be given several times.")
@click.option("--list", "listed", is_flag=True, help="List the benchmarks and their contenders.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The file of results; an SVG is written beside it.  [default: bench/results/<date>.json]",
)
def main(
    names: Sequence[str], messages: int | None, repeat: int, only: Sequence[str], listed: bool, output: Path | None
) -> None:
    """Run the benchmarks NAME (all of them if none is named) against their peers.

    Each starts what it needs, and leaves nothing behind.
    """
    if listed:
        _list()
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything ends on the way out
    chosen = _chosen(names, only)
    file = output or FOLDER / f"{datetime.datetime.now(tz=datetime.UTC).date()}.json"
    console = Console(width=max(WIDTH, Console().width), highlight=False)
    with Ground() as ground:
        machine = describe(ground)
        for benchmark in chosen:
            record = race(
                benchmark,
                ground,
                messages=messages or benchmark.messages,
                repeat=repeat,
                only=only,
                say=lambda line: click.echo(line, err=True),
            )
            record.machine = machine
            results.write(file, record)
            print_record(console, record)
    picture = file.with_suffix(".svg")
    drawn = plot.write(picture, results.read(file))
    console.print(f"\nWritten: {file}" + (f", {picture}" if drawn else ""))


def _list() -> None:
    for benchmark in ALL:
        print(f"{benchmark.name}: {benchmark.job} ({benchmark.messages:,} {benchmark.unit})")
        for contender in benchmark.contenders:
            print(f"    {contender.name}" + (f": {contender.note}" if contender.note else ""))


def _chosen(names: Sequence[str], only: Sequence[str]) -> list[Benchmark]:
    """Those that are named, and that any of the contenders is in."""
    known = {benchmark.name: benchmark for benchmark in ALL}
    for name in names:
        if name not in known:
            raise click.BadParameter(f"there is no benchmark {name!r}; there are {', '.join(known)}")
    benchmarks = [benchmark for benchmark in ALL if not names or benchmark.name in names]
    contenders = {contender.name for benchmark in benchmarks for contender in benchmark.contenders}
    for name in only:
        if name not in contenders:
            raise click.BadParameter(f"there is no contender {name!r}; there are: {'; '.join(sorted(contenders))}")
    return [
        benchmark
        for benchmark in benchmarks
        if not only or any(contender.name in only for contender in benchmark.contenders)
    ]


if __name__ == "__main__":
    main()
