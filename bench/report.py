"""A benchmark's outcome as a table for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.benchmark import Metric
from bench.record import Entry, Record, Verdict


def print_record(console: Console, record: Record) -> None:
    """Medians with their spread, ratios, and what the figures leave out."""
    benchmark = record.benchmark
    console.print()
    console.print(Text(benchmark.name, style="bold"))
    console.print(Text(f"{benchmark.job}; median of {record.repeat} (least–greatest)"))
    console.print(_table(record))
    for verdict in record.verdicts():
        console.print(_goal(verdict))
    for note in _notes(record):
        console.print(Text(note, style="dim"))


def _goal(verdict: Verdict) -> Text:
    text = f"{'✓' if verdict.reached else '✗'} {verdict.goal}: {verdict.found:,.2f}"
    return Text(text if verdict.reached else f"{text}, not reached", style="" if verdict.reached else "bold")


def _table(record: Record) -> Table:
    benchmark = record.benchmark
    compared = _compared(record)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    rows = [[_cell(entry, metric) for metric in benchmark.metrics] for entry in record.entries]
    for metric, column in zip(benchmark.metrics, zip(*rows, strict=True), strict=True):
        longest = max(len(word) for cell in column for word in cell.split())  # the headers break first
        table.add_column(metric.unit, justify="right", min_width=longest)
    if compared:
        table.add_column("ours is", justify="right")
    if benchmark.limit:
        table.add_column("of the limit", justify="right")
    for entry, cells in zip(record.entries, rows, strict=True):
        if compared:
            cells.append(_times(record.lead(entry)) if entry.contender.name != benchmark.ours else "")
        if benchmark.limit:
            cells.append(_percent(record.of_limit(entry)))
        table.add_row(entry.contender.name, *cells)
    return table


def _compared(record: Record) -> bool:
    """Whether the runner has others beside it, and not only itself."""
    peers = any(not entry.contender.name.startswith("runner") for entry in record.entries)
    return peers and bool(record.benchmark.ours)


def _cell(entry: Entry, metric: Metric) -> str:
    median, spread = entry.median(metric.name), entry.spread(metric.name)
    if median is None or spread is None:
        return "–"
    if len(entry.runs) == 1:
        return metric.text(median)
    return f"{metric.text(median)} ({metric.text(spread[0])}–{metric.text(spread[1])})"


def _times(ratio: float | None) -> str:
    return f"{ratio:.2f} ×" if ratio is not None else ""


def _percent(ratio: float | None) -> str:
    return f"{ratio:.0%}" if ratio is not None else ""


def _notes(record: Record) -> Iterator[str]:
    for entry in record.entries:
        name = entry.contender.name
        if entry.failure:
            yield f"{name}: {'left out' if entry.missing else 'failed'}: {entry.failure}"
        elif entry.contender.note:
            yield f"{name}: {entry.contender.note} ({entry.messages:,} {record.benchmark.unit})"
    yield f"Not in these figures: {record.benchmark.leaves_out}."
