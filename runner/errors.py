"""What can go wrong, and for whom.

Orders are verbs that a handler raises (`Retry`, `Reject`, `Pause`); faults end
in `Error` and carry data. Left out: how an error is shown (see `runner.cli`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from runner.message import Outgoing


Severity = Literal["error", "warning"]
"""`error` stops a run; `warning` doesn't."""

Trail = tuple[str | int, ...]
"""The keys and indexes that lead to a value, from the top of a document or of a handler's settings."""

LONGEST_DELAY = 366 * 86_400.0
"""The most seconds that an order may ask for."""

SHORTEST_PAUSE = 0.1
"""Seconds. What can't work now won't work a moment later either."""


def text(value: object) -> str:
    """`value` in words, whatever it is, even an exception whose `__str__` fails."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"{type(value).__name__} (which can't be shown: {type(error).__name__})"


def _checked(delay: float) -> float:
    if not isinstance(delay, (int, float)):
        raise TypeError(f"delay is {delay!r}; it has to be a number of seconds, such as 90 or 0.5")
    if not 0 <= delay <= LONGEST_DELAY:
        raise ValueError(f"delay is {delay}; it has to be between 0 and {LONGEST_DELAY:g} seconds")
    return delay


# -- Orders: what a handler may raise -------------------------------------------


class Retry(Exception):
    """Try this message again later: the fault is expected to pass.

    `reason` (str) is written to the log and, after the last attempt, to the
    dead letter. `delay` (seconds) asks for a wait of at least that long, instead
    of the one in the stage's retry table; the attempt counts either way. `at_least`
    (seconds) only lengthens the wait: a server that asks for less than the table has
    its say, and doesn't use up the attempts.
    """

    def __init__(self, reason: str, *, delay: float | None = None, at_least: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = text(reason)
        self.delay = delay if delay is None else _checked(delay)
        self.at_least = _checked(at_least)


class Reject(Exception):
    """This message can never be handled: move it to the dead letters at once.

    `reason` (str) is written to the log and to the dead letter.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = text(reason)


class Pause(Exception):
    """The stage can't work at all, and no message is to blame (a refused password).

    The message goes back to its queue without counting as an attempt, and the stage
    takes nothing for `delay` seconds; `/health/pipeline` reports that meanwhile.
    `reason` (str) is logged as an error.
    """

    def __init__(self, reason: str, *, delay: float = 60.0) -> None:
        super().__init__(reason)
        self.reason = text(reason)
        self.delay = max(SHORTEST_PAUSE, _checked(delay))


# -- Faults -----------------------------------------------------------------------


class RunnerError(Exception):
    """A fault that the operator sees as one clear line, never with a traceback."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong (or doubtful) in a pipeline file.

    `line` and `column` count from 1, as editors do; they are 0 if there is no place
    in the file (it can't be read, say).
    """

    file: str
    line: int
    column: int
    message: str
    severity: Severity = "error"
    key: str = ""
    """The keys and indexes that lead there: `stages.pay.publish.0.to`; empty for the whole file."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        mark = "warning: " if self.severity == "warning" else ""
        return f"{place}: {mark}{self.message}"


class ConfigError(RunnerError):
    """The pipeline file can't be run. Holds every problem found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StartError(RunnerError):
    """A part can't start (a port that is taken, a handler that can't be entered)."""


class BrokerError(RunnerError):
    """Something went wrong between the runner and its broker."""


class BrokerUnavailableError(BrokerError):
    """The broker is away, blocked or silent; trying again later may help.

    The fate of what was being published is *unknown*: it may have been stored.
    """


class BrokerAwayError(BrokerUnavailableError):
    """The broker was already away: nothing was sent to it."""


class BrokerSetupError(BrokerError):
    """The broker answers, and refuses: credentials, a queue that exists with other
    arguments, a damaged file. Trying again doesn't help; a person has to act."""


class KeysError(RunnerError):
    """The keys that seal values can't be used: the file is missing, damaged or can't be written.
    No message is to blame."""


class UnknownKeyError(KeysError):
    """A value is sealed with a key that isn't here, or not yet."""


class ForeignSealError(Exception):
    """A sealed value was made for another message or another place, or was changed since."""


class PublishError(BrokerError):
    """The broker answered and refused some messages: they are certainly not stored.

    `refused` pairs each message with the broker's reason (a full queue, no queue
    of that name); messages that aren't in it were confirmed.
    """

    def __init__(self, refused: Sequence[tuple[Outgoing, str]]) -> None:
        first = f"{refused[0][0].destination}: {refused[0][1]}" if refused else "nothing refused"
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        super().__init__(first + more)
        self.refused = tuple(refused)


class TakenError(BrokerError):
    """Somebody else has the message in hand, or has taken it away: nothing was published in its place."""

    def __init__(self) -> None:
        super().__init__("somebody else has it in hand")


class LedgerError(RunnerError):
    """Something went wrong between the runner and its ledger."""


class LedgerAwayError(LedgerError):
    """The ledger can't be reached, or is too busy; trying again later may help."""


class LedgerDeadlockError(LedgerAwayError):
    """Two transactions waited for each other, and this one gave way; it can be tried again at once."""


class LedgerSetupError(LedgerError):
    """The ledger can be reached but not used; a person has to mend that."""
