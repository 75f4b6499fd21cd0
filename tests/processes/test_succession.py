"""Which children of a new pipeline take over, and which of the old one go on."""

from __future__ import annotations

from runner.processes.child import Board, Child, Supervision
from runner.processes.process import Process
from runner.processes.succession import Succession


def live(_: Supervision) -> None: ...


def now(*children: Child) -> list[Process]:
    board = Board([child.name for child in children])
    processes = [Process(child, board) for child in children]
    for process in processes:
        board[process.child.name] = True
    return processes


def test_what_is_made_of_the_same_goes_on_and_the_rest_is_replaced_started_or_stopped() -> None:
    old = now(Child("mailbox", live, made_of=1), Child("intake", live, made_of=1), Child("worker-2", live, made_of=1))
    new = [Child("intake", live, made_of=2), Child("mailbox", live, made_of=1), Child("worker", live, made_of=1)]
    succession = Succession(old, new)
    assert str(succession) == "replaced: intake; started: worker; stopped: worker-2; unchanged: mailbox"
    assert not succession.is_over
    assert [process.child for process in succession.coming] == [new[0], new[2]]
    after = succession.complete()
    assert [process.child.name for process in after] == ["intake", "mailbox", "worker"]
    assert after[1] is old[0]
    assert after[1].up


def test_what_replaces_another_goes_on_with_the_count_of_its_starts() -> None:
    old = now(Child("intake", live, made_of=1))
    old[0].starts = 3
    new = [Child("intake", live, made_of=2), Child("worker", live, made_of=1)]
    assert [process.starts for process in Succession(old, new).coming] == [3, 0]


def test_one_that_does_not_say_what_it_is_made_of_is_replaced() -> None:
    old = now(Child("health", live))
    assert str(Succession(old, [Child("health", live)])) == "replaced: health"


def test_if_all_goes_on_nothing_has_changed() -> None:
    succession = Succession(now(Child("worker", live, made_of="a")), [Child("worker", live, made_of="a")])
    assert succession.is_over
    assert str(succession) == "nothing that runs has changed"
