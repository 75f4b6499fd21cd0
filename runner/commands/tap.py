"""`runner tap`: the messages of a stage, as its workers deal with them. Only looks.

What a worker tells is `runner.worker.tapping`'s.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import click
import orjson

from runner.brokers.base import Broker
from runner.commands.connecting import connected
from runner.commands.loading import PIPELINE_OPTION, stage_of
from runner.commands.terminal import FORMAT
from runner.config.loader import load
from runner.errors import RunnerError
from runner.units import format_duration, span
from runner.wording import counted, escaped, one_line
from runner.worker.tapping import OUTCOMES, question

FIRST_ANSWER = 10.0
"""Seconds that a worker has to answer at all: one that connects again takes a while."""
SILENCE = 5.0
"""Seconds without an answer after which the run has ended."""
LOOK_EVERY = 0.2
"""Seconds."""
MOST_WAITING = 2_000
"""Messages that wait to be printed; those beyond are left out."""
COLOURS = {"handled": "green", "retry": "yellow", "dead": "red", "paused": "yellow"}


@click.command()
@PIPELINE_OPTION
@click.option("--outcome", "outcomes", type=click.Choice(OUTCOMES), multiple=True, help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="End after this many messages.")
@FORMAT
@click.argument("stage")
def tap(pipeline: Path, outcomes: tuple[str, ...], limit: int | None, form: str, stage: str) -> None:
    """Show the messages of a stage as they pass, masked.

    All workers of the stage report, on all machines. If they handle more than can be shown, some are left out,
    and counted. Ctrl-C ends it, and so does the end of the run.

    Exit status: 0, or 1 if no worker answers.
    """
    loaded = load(pipeline)
    stage_of(loaded.pipeline, stage)
    with connected(loaded, "tap", declare=False) as broker:
        stream = Stream(broker, question(stage, outcomes))
        try:
            show(stream, as_document if form == "json" else as_line, limit, stage)
        except KeyboardInterrupt:
            pass
        finally:
            stream.close()
    if stream.left_out:
        click.echo(f"{counted(stream.left_out, 'message')} left out", err=True)


class Stream:
    """What the workers tell, however fast that is."""

    def __init__(self, broker: Broker, text: bytes) -> None:
        self._waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.left_out = 0
        """Messages that were not told, or not taken."""
        self.heard = 0.0
        """When a worker was last heard (monotonic); 0: never."""
        self.close: Callable[[], None] = broker.poll(text, self._hear)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Those that have come; waits a little for one."""
        try:
            yield self._waiting.get(timeout=LOOK_EVERY)
            while True:
                yield self._waiting.get_nowait()
        except Empty:
            return

    def _hear(self, answer: bytes) -> None:
        """On the broker's thread. Anybody may have sent it."""
        try:
            told = orjson.loads(answer)
            messages, left_out = told["messages"], int(told["left_out"])
        except (ValueError, TypeError, KeyError):
            return
        self.heard = time.monotonic()
        self.left_out += max(0, left_out)
        for message in messages if isinstance(messages, list) else ():
            if not isinstance(message, dict):
                continue
            if self._waiting.qsize() >= MOST_WAITING:
                self.left_out += 1
            else:
                self._waiting.put(message)


def show(stream: Stream, written: Callable[[dict[str, Any]], str], limit: int | None, stage: str) -> None:
    """Print messages until there were `limit`, or the run has ended. Raises RunnerError if no worker answers."""
    began, shown, told, watching = time.monotonic(), 0, 0, False
    while True:
        for message in stream.messages():
            click.echo(written(message))
            shown += 1
            if limit is not None and shown >= limit:
                return
        sys.stdout.flush()
        if (left_out := stream.left_out) > told and written is as_line:
            click.echo(click.style(f"… {counted(left_out - told, 'message')} left out", dim=True))
            told = left_out
        now = time.monotonic()
        if stream.heard and not watching:
            watching = True
            click.echo(f"watching {stage}; Ctrl-C ends it", err=True)
        if not stream.heard and now - began > FIRST_ANSWER:
            raise RunnerError(f"no worker of {stage} answers; 'runner status' tells whether there is one")
        if stream.heard and now - stream.heard > SILENCE:
            click.echo("no worker answers any more: the run has ended", err=True)
            return


def as_line(message: dict[str, Any]) -> str:
    """For a person, in one line."""
    outcome = str(message.get("outcome"))
    parts = [str(message.get("time", ""))[11:], click.style(f"{outcome:<7}", fg=COLOURS.get(outcome))]
    if "id" in message:
        parts += [one_line(str(message["id"])), f"attempt {message.get('attempt')}"]
    if isinstance(seconds := message.get("seconds"), (int, float)):
        parts.append(span(seconds))
    if to := message.get("to"):
        parts.append(f"→ {one_line(', '.join(map(str, to)))}")
    if isinstance(delay := message.get("delay"), (int, float)):
        parts.append(f"again in {format_duration(delay)}")
    if error := message.get("error"):
        parts.append(one_line(str(error)))
    return "  ".join([*parts, *([escaped(str(message["body"]))] if "body" in message else [])])


def as_document(message: dict[str, Any]) -> str:
    """For a program: the body as JSON, unless it was cut or is none."""
    try:
        body = orjson.loads(message["body"])
    except (KeyError, TypeError, ValueError):
        return orjson.dumps(message).decode()
    return orjson.dumps({**message, "body": body}).decode()
