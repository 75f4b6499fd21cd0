"""How a command gets the broker, connected while it needs it, and quiet; and the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.errors import LedgerAwayError, LedgerSetupError, RunnerError
from runner.ledger.url import path_of, shown
from runner.observability import logs, observers
from runner.pipeline import Pipeline
from runner.topology import plan

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger

BROKER_TIMEOUT = 5.0
"""Seconds that a command waits for the broker to answer."""
LEDGER_TIMEOUT = 5.0
"""Seconds that a command waits for a ledger that is away, to write to it."""


@contextmanager
def connected(loaded: LoadedPipeline, command: str, *, declare: bool = True) -> Iterator[Broker]:
    """The broker of `loaded`; `command` is shown in its lists. Raises BrokerError.

    Without `declare` nothing is created there: for commands that only look.
    """
    logs.configure(command, level="error")
    broker = connect(loaded.pipeline, command, observers.attach())
    broker.start(plan(loaded.pipeline), timeout=BROKER_TIMEOUT, declare=declare)
    try:
        yield broker
    finally:
        broker.close()


class NothingRecordedError(RunnerError):
    """There is no file of the ledger yet."""


@contextmanager
def remembering(pipeline: Pipeline) -> Iterator[Ledger]:
    """The pipeline's ledger, to read from. Raises RunnerError without one, and NothingRecordedError before its first
    run."""
    url = _ledger_url(pipeline)
    path = path_of(url)
    if path is not None and not path.exists():
        raise NothingRecordedError(f"nothing has been recorded yet: there is no {shown(url, pipeline.folder)}")
    from runner.ledger.ledger import Ledger

    found = Ledger(url)
    try:
        found.prepare_reading()
        yield found
    except LedgerSetupError as error:
        raise RunnerError(
            f"the ledger can't be read: {error} (the first run of the pipeline makes its tables)"
        ) from error
    except LedgerAwayError as error:
        raise _away(url, pipeline, error) from error
    finally:
        found.close()


@contextmanager
def writing(pipeline: Pipeline) -> Iterator[Ledger]:
    """The pipeline's ledger, to write to; it is made if it doesn't exist. Raises RunnerError without one."""
    url = _ledger_url(pipeline)
    from runner.ledger.ledger import Ledger

    ledger = Ledger(url)
    try:
        yield ledger.open(LEDGER_TIMEOUT)
    except LedgerAwayError as error:
        raise _away(url, pipeline, error) from error
    finally:
        ledger.close()


def _away(url: str, pipeline: Pipeline, error: LedgerAwayError) -> RunnerError:
    return RunnerError(f"the ledger is away ({shown(url, pipeline.folder)}); try again later: {error}")


def _ledger_url(pipeline: Pipeline) -> str:
    if pipeline.ledger is None:
        raise RunnerError(f"{pipeline.file.name} has no ledger; add 'ledger: sqlite:var/ledger.db'")
    return pipeline.ledger
