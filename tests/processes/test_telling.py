"""How counts get from children to the one that shows them, through a real supervisor."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from runner.observability.counts import Counts
from runner.observability.snapshot import Snapshot, Told
from runner.processes import telling
from runner.processes.child import Board, Supervision
from runner.processes.pipes import Outlet, pipe
from runner.processes.telling import Latest
from tests.processes.program import Program, Run
from tests.waiting import wait_until

CHILDREN = """
    from runner.observability.counts import Counts
    from runner.processes import telling
    telling.EVERY = 0.05
    from runner.processes import supervisor
    supervisor.SHOW_EVERY = 0.04
    from runner.events import Events

    def working(name):
        def run(supervision):
            counts = Counts(["one"])
            for _ in range(5):
                counts.retried("one", DELIVERY, FAILURE, 1.0)
            teller = telling.Teller(counts, supervision)
            teller.start()
            supervision.up()
            note(name, "up")
            try:
                rest()
            finally:
                counts.retried("one", DELIVERY, FAILURE, 1.0)
                teller.stop()
        return run

    from runner.events import Failure
    from runner.message import Delivery, Session
    FAILURE = Failure("no", 1, 2)
    DELIVERY = Delivery("in", "id-1", b"{}", {}, 1, Session(), 1)

    def shown(supervision):
        latest = telling.Latest(supervision.snapshots)
        def keep(snapshot):
            (folder / "new").write_bytes(snapshot.as_json())
            (folder / "new").rename(folder / "snapshot")
        latest.watch(keep)
        latest.start()
        supervision.up()
        note("console", "up")
        rest()

    children = [Child("worker-1", working("worker-1")), Child("worker-2", working("worker-2")),
                Child("console", shown, last=True, shows=True)]
"""


@pytest.fixture
def running(program: Run) -> Program:
    running = program(CHILDREN)
    wait_until(lambda: "all up" in running.events)
    return running


def retried(folder: Path) -> int:
    found: Any = orjson.loads((folder / "snapshot").read_bytes()) if (folder / "snapshot").exists() else {}
    stages = found.get("sum", {}).get("totals", {}).get("stages", {})
    return int(stages["one"]["retried"]) if stages else 0


def test_the_one_that_shows_is_told_the_sum_of_all(running: Program, tmp_path: Path) -> None:
    wait_until(lambda: retried(tmp_path) == 10)
    snapshot = Snapshot.from_json((tmp_path / "snapshot").read_bytes())
    assert {name: process.up for name, process in snapshot.processes.items()} == {
        "worker-1": True,
        "worker-2": True,
        "console": True,
    }
    assert snapshot.processes["worker-1"].pid == running.pids("worker-1")[0]
    assert snapshot.processes["worker-1"].told.totals.stages["one"].retried == 5


def test_counts_of_a_child_that_was_killed_stay(running: Program, tmp_path: Path) -> None:
    wait_until(lambda: retried(tmp_path) == 10)
    os.kill(running.pids("worker-1")[0], signal.SIGKILL)
    wait_until(lambda: retried(tmp_path) == 15)
    snapshot = Snapshot.from_json((tmp_path / "snapshot").read_bytes())
    assert snapshot.processes["worker-1"].starts == 2


def test_one_that_shows_and_was_killed_is_told_again(running: Program, tmp_path: Path) -> None:
    wait_until(lambda: retried(tmp_path) == 10)
    os.kill(running.pids("console")[0], signal.SIGKILL)
    wait_until(lambda: len(running.pids("console")) == 2)
    (tmp_path / "snapshot").unlink()
    wait_until(lambda: retried(tmp_path) == 10)
    running.process.terminate()
    assert running.end()[0] == 0


def test_a_child_that_ends_in_good_order_tells_its_last_counts(running: Program, tmp_path: Path) -> None:
    wait_until(lambda: retried(tmp_path) == 10)
    os.kill(running.pids("worker-2")[0], signal.SIGTERM)
    wait_until(lambda: retried(tmp_path) == 16)


def test_one_that_shows_and_never_reads_holds_up_nobody(program: Run, tmp_path: Path) -> None:
    running = program(CHILDREN.replace("latest.start()", "pass").replace("SHOW_EVERY = 0.04", "SHOW_EVERY = 0.0"))
    wait_until(lambda: "all up" in running.events)
    for times in range(2, 5):
        os.kill(running.pids("worker-1")[-1], signal.SIGKILL)
        wait_until(lambda times=times: len(running.pids("worker-1")) == times)  # type: ignore[misc]
    running.process.terminate()
    assert running.end()[0] == 0


def test_the_last_of_several_snapshots_counts_and_a_watcher_that_fails_harms_nobody(tmp_path: Path) -> None:
    read, write = pipe()
    latest, outlet = Latest(read), Outlet(write)
    seen: list[float] = []

    def fail(_snapshot: Snapshot) -> None:
        raise ValueError("no")

    latest.watch(fail)
    latest.watch(lambda snapshot: seen.append(snapshot.at))
    assert latest.snapshot == Snapshot()
    outlet.send(Snapshot(1.0).as_json())
    outlet.send(Snapshot(2.0).as_json())
    latest.start()
    wait_until(lambda: seen == [2.0])
    assert latest.snapshot == Snapshot(2.0)
    outlet.close()


def test_the_last_counts_are_told_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the process ends while its thread is about to tell those of a moment before."""
    monkeypatch.setattr(telling, "EVERY", 0.001)
    told: list[int] = []

    class Hearing(Supervision):
        def counted(self, now: Told) -> None:
            told.append(now.totals.reconnects)

    class Slow(Counts):
        def told(self) -> Told:
            now = super().told()
            if threading.current_thread() is not ending and ending.ident is None:
                self.connected("broker", True)
                ending.start()
                ending.join(0.2)
            return now

    counts = Slow()
    teller = telling.Teller(counts, Hearing(-1, -1, Board([])))
    ending = threading.Thread(target=teller.stop)
    teller.start()
    wait_until(lambda: len(told) == 2)
    assert told == [0, 1]
