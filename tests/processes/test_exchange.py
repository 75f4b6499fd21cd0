"""Small children that are exchanged, each run as a real program; whole pipelines are in tests/system/test_reload.py."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.processes.program import Run, alive
from tests.waiting import wait_until

RELOADING = """
from runner.errors import RunnerError
from runner.processes.child import nap
from runner.processes.exchange import Generation

class Reloading:
    watches = False

    def due(self):
        return False

    def try_out(self, supervision):
        if (folder / "hopeless").exists():
            raise RunnerError("it is hopeless")
        supervision.loadable()

    def load(self):
        return Generation(next_children, 0.5)

    def accept(self, what):
        note("accepted", what.replace(" ", "_"))

    def refuse(self, reason):
        note("refused", reason.replace(" ", "_"))

def failing(supervision):
    raise ValueError("no")

def stuck(supervision):
    note("stuck", "started")
    rest()

def not_again(supervision):
    if not (folder / "down").exists():
        note("a", "up")
        supervision.up()
    rest()

def looking(supervision):
    supervision.up()
    while not (folder / "down").exists() or supervision.children()["a"]:
        nap()
    note("looking", "sees_a_down")
    rest()

def seeing(supervision):
    supervision.up()
    while not supervision.children()["a"]:
        nap()
    note("seeing", "sees_a_up")
    rest()

def thorough(supervision):
    note("a", "up")
    supervision.up()
    supervision.left()  # as the intake does when its certificate was exchanged
    while not supervision.leaving:
        nap()
    note("a", "finishing")
    while not (folder / "finished").exists():
        nap()
    note("a", "gone")
    supervision.left()

extra["reload"] = Reloading()
"""


def children(now: str, then: str) -> str:
    return f"{RELOADING}\nchildren = {now}\nnext_children = {then}\n"


def test_the_new_child_is_up_before_the_old_one_goes(program: Run) -> None:
    running = program(children("[Child('a', steady('a'), made_of=1)]", "[Child('a', steady('a'), made_of=2)]"))
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "accepted replaced:_a" in running.events)
    first, second = running.pids("a")
    wait_until(lambda: not alive(first))
    assert running.events.index("a stopping") > [n for n, event in enumerate(running.events) if event == "a up"][1]
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: len(running.pids("a")) == 3)
    running.process.terminate()
    assert running.end()[0] == 0


def test_it_is_accepted_when_those_before_take_nothing_more_whatever_they_said_earlier(
    program: Run, tmp_path: Path
) -> None:
    before = "from runner.processes.child import LEAVE\nchildren = [Child('a', thorough, made_of=1, leave=LEAVE)]"
    running = program(f"{RELOADING}\n{before}\nnext_children = [Child('a', steady('a'), made_of=2)]\n")
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "a finishing" in running.events)
    (tmp_path / "finished").touch()
    wait_until(lambda: "accepted replaced:_a" in running.events)
    assert running.events.index("a gone") < running.events.index("accepted replaced:_a")
    running.process.terminate()
    assert running.end()[0] == 0


def test_if_nothing_changes_that_is_told_at_once(program: Run) -> None:
    running = program(children("[Child('a', steady('a'), made_of=1)]", "[Child('a', steady('a'), made_of=1)]"))
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "accepted nothing_that_runs_has_changed" in running.events)


def test_whoever_looks_at_the_others_sees_who_is_down_after_a_reload_that_changes_nothing(
    program: Run, tmp_path: Path
) -> None:
    same = "[Child('a', not_again, made_of=1), Child('looking', looking, made_of=1)]"
    running = program(children(same, same))
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "accepted nothing_that_runs_has_changed" in running.events)
    (tmp_path / "down").touch()
    os.kill(running.pids("a")[0], signal.SIGKILL)
    wait_until(lambda: "looking sees_a_down" in running.events)
    running.process.terminate()
    assert running.end()[0] == 0


def test_whoever_comes_sees_who_goes_on_before_all_others_have_come(program: Run) -> None:
    then = "[Child('a', steady('a'), made_of=1), Child('seeing', seeing), Child('b', stuck)]"
    running = program(children("[Child('a', steady('a'), made_of=1)]", then))
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "seeing sees_a_up" in running.events)
    running.process.terminate()
    assert running.end()[0] == 0


def test_what_can_not_be_loaded_is_refused(program: Run, tmp_path: Path) -> None:
    running = program(children("[Child('a', steady('a'), made_of=1)]", "[]"))
    wait_until(lambda: "all up" in running.events)
    (tmp_path / "hopeless").touch()
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "refused it_is_hopeless" in running.events)
    assert alive(running.pids("a")[0])


def test_what_ends_before_it_is_up_is_given_up_with_all_others_of_its_generation(program: Run) -> None:
    then = "[Child('a', failing, made_of=2), Child('b', stuck, made_of=2)]"
    running = program(children("[Child('a', steady('a'), made_of=1), Child('b', steady('b'), made_of=1)]", then))
    wait_until(lambda: "all up" in running.events)
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "refused a_ended_before_it_was_up,_with_exit_status_1" in running.events)
    assert alive(running.pids("a")[0])
    assert alive(running.pids("b")[0])
    running.process.terminate()
    assert running.end()[0] == 0


def test_a_second_order_gives_up_what_the_first_one_has_begun(program: Run) -> None:
    running = program(children("[Child('a', steady('a'), made_of=1)]", "[Child('a', stuck, made_of=2)]"))
    wait_until(lambda: "all up" in running.events)
    for times in (1, 2):
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: running.events.count("stuck started") == times)  # noqa: B023 - called at once
    running.process.terminate()
    assert running.end()[0] == 0
