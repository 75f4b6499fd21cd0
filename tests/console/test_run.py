"""The run that the console shows."""

from __future__ import annotations

from runner.console.run import Run
from tests.console.conftest import Shown
from tests.waiting import wait_until


def test_it_sees_the_queues_and_its_processes(shown: Shown) -> None:
    run = Run(shown.loaded, shown.console, shown.broker, lambda: {"worker": False, "intake": True})
    wait_until(lambda: set(run.look().depths) == {"orders", "bills"})
    assert run.look().trouble == ""
    assert run.down() == ["worker is not up"]
    assert run.stages["orders"].name == "check"
