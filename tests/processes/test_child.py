"""A child of a real supervisor: how it begins, and how it ends."""

from __future__ import annotations

import pytest

from tests.processes.program import Run, alive
from tests.waiting import wait_until


@pytest.mark.parametrize("status", [0, 3])
def test_no_exit_status_ends_the_run(program: Run, status: int) -> None:
    running = program(f"""
        def leave(supervision):
            supervision.up()
            note('a', 'up')
            if not (folder / 'left').exists():
                (folder / 'left').touch()
                os._exit({status})
            rest()
        children = [Child('a', leave)]
    """)
    wait_until(lambda: len(running.pids("a")) == 2)
    running.process.terminate()
    end, said = running.end()
    assert end == 0
    assert f"a ended with status {status}; restarting it in 0.25 s" in said


def test_no_child_outlives_a_supervisor_that_was_killed(program: Run) -> None:
    running = program("children = [Child('a', steady('a')), Child('b', steady('b'))]")
    wait_until(lambda: "all up" in running.events)
    pids = running.pids("a") + running.pids("b")
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not any(map(alive, pids)))
    assert {"a stopping", "b stopping"} <= set(running.events)


def test_a_signal_that_comes_right_after_a_fork_stops_the_child_in_good_order(program: Run) -> None:
    running = program("""
        import signal
        os.register_at_fork(
            after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM),
            after_in_child=lambda: time.sleep(0.3),  # it has no handlers of its own yet
        )
        children = [Child('a', steady('a'))]
    """)
    assert running.end() == (0, "")


def test_a_stop_in_the_middle_of_an_import_waits_for_its_end(program: Run) -> None:
    """Python ignores what is raised in a callback of the import system, and a half-imported module stays so."""
    running = program("""
        code = 'import os, signal; os.kill(os.getpid(), signal.SIGTERM); done = True'
        (folder / 'slow.py').write_text(code)
        sys.path.insert(0, str(folder))
        def importing(supervision):
            supervision.up()
            import slow
            note('a', 'imported' if slow.done else 'half')
            rest()
        children = [Child('a', importing)]
    """)
    wait_until(lambda: "a imported" in running.events)
    running.process.terminate()
    assert running.end()[0] == 0


MISSING = """
    import signal
    def missing(supervision):
        signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, lambda *_: os._exit(0)))
        supervision.up()
        note('a', 'up')
        rest()
    children = [Child('a', missing)]
"""
"""A child that doesn't see the first signal."""


def test_a_signal_that_is_missed_comes_again(program: Run) -> None:
    """Python calls a handler only between two of its steps: one whose signal comes just before a wait is not called."""
    running = program(MISSING)
    wait_until(lambda: "all up" in running.events)
    running.process.terminate()
    assert running.end() == (0, "")


def test_no_child_outlives_a_killed_supervisor_by_missing_the_signal(program: Run) -> None:
    running = program(MISSING)
    wait_until(lambda: "all up" in running.events)
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not alive(running.pids("a")[0]))
