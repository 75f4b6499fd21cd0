"""A child process of the supervisor, as it sees itself: its life from the fork to its end, the
supervisor that it reports to, and the order to stop.

Left out: what the kinds of children do (see `children`), and who keeps them alive (`supervisor`).
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from runner.errors import RunnerError
from runner.observability import streams
from runner.privacy.masking import mask_and_cut
from runner.processes.pipes import Outlet
from runner.wording import facts

if TYPE_CHECKING:
    from runner.observability.snapshot import Told

log = logging.getLogger("runner.supervisor")


class Stop(BaseException):
    """Raised in a child's main thread by SIGTERM: stop, in good order."""


NAP = 0.25
"""Seconds that a child rests at a time: a signal that comes just before a sleep shows only after it."""
COLLECT = 20_000
"""Objects that come to be before Python looks for those that only hold each other, of which we make none. In a child
with a ledger it would look at all that is in hand, too: hundreds of deliveries, each with what the ledger is to know
of it."""
LONGEST_REASON = 8_000
"""Characters: a pipe has room for 65,536 bytes, and nobody waits for it."""
AGAIN = 0.02
"""Seconds until a signal comes again that came at a bad moment."""
_OURS = str(Path(__file__).parents[1])
_WAITING = {"enter", "nap", "open", "retire", "run_worker", "wait", "work_until_stopped"}
"""Our functions in which the main thread of a child waits: for the broker, the ledger, the handlers, the end."""
_WAIT, _START = threading.Condition.wait.__code__, threading.Thread.start.__code__


def rest() -> NoReturn:
    """Until `Stop`."""
    while True:
        nap()


def nap() -> None:
    """For a moment, or until `Stop`."""
    time.sleep(NAP)


class Board:
    """Which children are up: a byte for each, in memory that the supervisor shares with them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._up = mmap.mmap(-1, max(1, len(names)))

    def __getitem__(self, name: str) -> bool:
        return bool(self._up[self._places[name]])

    def __setitem__(self, name: str, up: bool) -> None:
        self._up[self._places[name]] = up

    def all(self) -> dict[str, bool]:
        """Whether each of them is up."""
        return {name: bool(self._up[place]) for name, place in self._places.items()}


class Supervision:
    """A child's view of its supervisor: a place to report to, and a sign of life.

    `snapshots` is where it reads what all children have counted; -1 for one that isn't told.
    """

    def __init__(self, report: int, lifeline: int, board: Board, snapshots: int = -1, *, follows: bool = False) -> None:
        self._report = Outlet(report)
        self.snapshots = snapshots
        self._lifeline = lifeline
        self._board = board
        self.follows = follows
        """Whether there is another one that works until this one is up."""
        self.leaving = False
        """Whether a successor is up, so that this child ends when it has finished what it has begun."""

    def up(self) -> None:
        """This child is up and working."""
        self._tell(up=True)

    def cannot_start(self, reason: str) -> None:
        """This child can't start, and restarting it wouldn't help."""
        self._tell(start_error=mask_and_cut(reason, LONGEST_REASON))

    def children(self) -> dict[str, bool]:
        """All children of the run by name, and whether each of them is up."""
        return self._board.all()

    def left(self) -> None:
        """This child, which has a successor, takes nothing more."""
        self._tell(left=True)

    def loadable(self) -> None:
        """What this child was to try out can be loaded."""
        self._tell(loadable=True)

    def on_leave(self, _number: int, _frame: FrameType | None) -> None:
        self.leaving = True

    def replace(self) -> None:
        """This child is about to end in good order, and wants a fresh one in its place, at once."""
        self._tell(replace=True)

    def counted(self, told: Told) -> None:
        """What this process has counted up to now. Forgotten if the supervisor lags behind."""
        self._report.offer(b'{"pid": %d, "counts": %s}' % (os.getpid(), told.as_json()))

    def watch(self) -> None:
        """Stop this child's process group when the supervisor is gone, however it died:
        nothing may run unsupervised. Starts a thread."""

        def watch() -> None:
            os.read(self._lifeline, 1)
            os.killpg(0, signal.SIGTERM)
            while True:  # one that comes just before a wait of the main thread shows only after that
                time.sleep(NAP)
                os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=watch, name="lifeline", daemon=True).start()

    def _tell(self, **message: object) -> None:
        self._report.send(json.dumps(message).encode())


@dataclass(frozen=True, slots=True)
class Child:
    """A kind of child process. `run` is its whole life: it calls `Supervision.up()` when it
    is up, raises RunnerError if it can't start, and ends on `Stop`."""

    name: str
    run: Callable[[Supervision], None]
    forks: bool = False
    """Whether it forks child processes: it then has no threads until it has forked, and calls
    `Supervision.watch()` itself."""
    last: bool = False
    """Whether the others may need it while they stop, so that it stops after them."""
    made_of: object = None
    """What it depends on: equal where it may go on in place of another one of its name. None: never."""
    leave: int = signal.SIGTERM
    """The signal that tells it that its successor is up."""
    shows: bool = False
    """Whether it is told what all of them have counted."""


LEAVE = signal.SIGUSR1
"""Tells a child that finishes first what it has begun that its successor is up."""
ORDERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals to a run. A child is forked with them blocked, and takes only SIGTERM."""


def live(child: Child, supervision: Supervision, configure: Callable[[str], None]) -> NoReturn:
    """The whole life of a process that was just forked. `configure(name)` sets up its logging."""
    status = 0
    try:
        signal.set_wakeup_fd(-1)  # the supervisor's
        os.setpgid(0, 0)  # Ctrl-C reaches only the supervisor, which stops all children in order
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(LEAVE, supervision.on_leave)
        signal.signal(signal.SIGTERM, _raise_stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
        if not child.forks:
            supervision.watch()
        configure(child.name)
        child.run(supervision)
    except Stop:
        pass
    except RunnerError as error:
        supervision.cannot_start(str(error))
        status = 1
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # a child ends here, whatever it was
        log.exception("%s has failed", child.name, extra=facts(process=child.name))
        status = 1
    finally:
        streams.flush()
        os._exit(status)  # a stuck handler must not keep the process alive


def _raise_stop(_number: int, frame: FrameType | None) -> None:
    """Only where the main thread waits. In the middle of an import, of a thread's start, or of a
    library's callback, `Stop` would be swallowed or leave something half done: then the signal
    comes again a moment later."""
    if _waits(frame):
        signal.signal(signal.SIGTERM, _passed_over)
        raise Stop
    signal.signal(signal.SIGALRM, _stop_again)
    signal.setitimer(signal.ITIMER_REAL, AGAIN)


def _passed_over(_number: int, _frame: FrameType | None) -> None:
    """It stops already. (Where SIG_IGN is set while a signal comes, Python prints a traceback.)"""


def _stop_again(_number: int, frame: FrameType | None) -> None:
    """To whoever takes SIGTERM by now, which in the intake is granian, with what was interrupted."""
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        handler(signal.SIGTERM, frame)


def _waits(frame: FrameType | None) -> bool:
    """Whether a function that waits was interrupted, and nothing around it may not be."""
    if frame is None:
        return False
    code = frame.f_code
    if code is not _WAIT and not (code.co_filename.startswith(_OURS) and code.co_name in _WAITING):
        return False
    while frame is not None:
        if frame.f_code is _START or frame.f_code.co_filename.startswith("<frozen importlib"):
            return False
        frame = frame.f_back
    return True
