"""`runner ledger`: how a message stands, and which messages a stage has recorded something of.

Only reads. rich is imported where it is needed: it takes 60 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from runner.commands.loading import PIPELINE_OPTION
from runner.commands.recorded import fact_of
from runner.commands.terminal import console
from runner.commands.when import When
from runner.config.loader import load
from runner.errors import LedgerSetupError, RunnerError
from runner.intake.status import OUTCOMES, status_document
from runner.ledger.url import path_of, shown
from runner.pipeline import Pipeline
from runner.wording import one_line

if TYPE_CHECKING:
    from rich.table import Table

    from runner.ledger.journey import Hop, Journey
    from runner.ledger.ledger import Ledger

FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group()
def ledger() -> None:
    """Ask the ledger how messages stand."""


@ledger.command("show")
@PIPELINE_OPTION
@FORMAT
@click.argument("id")
def show_message(pipeline: Path, form: str, id: str) -> None:
    """Show how a message stands.

    That is its journey from the request to the last stage. ID is in the answer of the intake.
    """
    loaded = load(pipeline).pipeline
    with opened(loaded) as found:
        journey = found.journey(id)
    if journey is None:
        raise RunnerError(f"the ledger knows no message {id}; ids are in the answers of the intake, and in the log")
    stages = {stage.consume: stage.name for stage in loaded.stages.values()}
    if form == "json":
        click.echo(orjson.dumps(status_document(journey, stages)))
    else:
        click.echo(rendered(journey, stages))


@ledger.command()
@PIPELINE_OPTION
@FORMAT
@click.option("--recorded", required=True, metavar="NAME=VALUE", help="What a stage has recorded (its 'record').")
@click.option(
    "--since", type=When(), default="30d", show_default=True, help="Recorded since, such as 1h or 2026-01-31T12:00Z."
)
@click.option("--until", type=When(), default=None, help="Recorded before this time, or so long ago.")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True, help="How many to list.")
def find(pipeline: Path, form: str, recorded: str, since: datetime, until: datetime | None, most: int) -> None:
    """List messages by what stages have recorded.

    The newest come first.
    """
    loaded = load(pipeline).pipeline
    name, value = fact_of(loaded, recorded)
    with opened(loaded) as ledger:
        found = ledger.find(
            name, value, since=since.timestamp(), until=None if until is None else until.timestamp(), most=most
        )
    if form == "json":
        click.echo(orjson.dumps([{"id": message, "recorded_at": _time(at)} for message, at in found]))
        return
    for message, at in found:
        click.echo(f"{_time(at)}  {message}")
    if not found:
        click.echo(f"no message since {_time(since.timestamp())} has {recorded}", err=True)


@contextmanager
def opened(pipeline: Pipeline) -> Iterator[Ledger]:
    """The pipeline's ledger, to read from. Raises RunnerError without one."""
    if pipeline.ledger is None:
        raise RunnerError(f"{pipeline.file.name} has no ledger; add 'ledger: sqlite:var/ledger.db'")
    path = path_of(pipeline.ledger)
    if path is not None and not path.exists():
        raise RunnerError(f"nothing has been recorded yet: there is no {shown(pipeline.ledger, pipeline.folder)}")
    from runner.ledger.ledger import Ledger

    found = Ledger(pipeline.ledger)
    try:
        yield found
    except LedgerSetupError as error:
        raise RunnerError(
            f"the ledger can't be read: {error} (the first run of the pipeline makes its tables)"
        ) from error
    finally:
        found.close()


def rendered(journey: Journey, stages: dict[str, str]) -> str:
    """A journey for the terminal."""

    out = console()
    with out.capture() as capture:
        out.print(_table(journey, stages))
    recorded = [f"  {name}: {_text(value)}" for name, value in journey.facts.items()]
    publisher = journey.hops[0].publisher
    accepted = f"published {_time(journey.accepted_at)}" + (f" by {publisher}" if publisher else "")
    table = "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())
    return "\n".join([f"{journey.id}: {journey.standing}", accepted, *recorded, "", table])


def _table(journey: Journey, stages: dict[str, str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("Published", "Stage", "Queue", "Outcome", "Attempts", "Changed", "Why"):
        table.add_column(heading, justify="right" if heading == "Attempts" else "left")
    for hop in journey.hops:
        table.add_row(*(Text(one_line(cell)) for cell in _cells(hop, journey.id, stages)))
    return table


def _cells(hop: Hop, id: str, stages: dict[str, str]) -> Iterator[str]:
    yield _time(hop.published_at)[11:]
    yield hop.stage or stages.get(hop.queue, "")
    yield hop.queue + (f" ({hop.copy.removeprefix(id)})" if hop.copy != id else "")
    yield OUTCOMES[hop.state] + (f" until {_time(hop.next_at)[11:19]}" if hop.next_at is not None else "")
    yield str(hop.attempts or "")
    yield _time(hop.changed_at)[11:]
    yield hop.error


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", timespec="milliseconds").replace("+00:00", "Z")


def _text(value: Any) -> str:
    return one_line(value if isinstance(value, str) else orjson.dumps(value).decode())
