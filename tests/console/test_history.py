"""The last hour, for lines."""

from __future__ import annotations

from runner.brokers.base import Depth
from runner.console.history import HEIGHT, KEPT, WIDTH, History


def points(history: History) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in history.line("q", "waiting").split())]


def test_now_is_at_the_right_and_more_is_higher() -> None:
    history = History()
    for ready in (0, 100, 50):
        history.add({"q": Depth(ready=ready, in_hand=0, delayed=0)})
    found = points(history)
    assert found[-1][0] == WIDTH
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    (_, none), (_, most), (_, some) = found
    assert 0 < most < some < none < HEIGHT
    assert history.peak("q", "waiting") == 100


def test_what_waits_is_ready_in_hand_or_delayed() -> None:
    history = History()
    history.add({"q": Depth(ready=1, in_hand=2, delayed=4, dead=8)})
    assert (history.peak("q", "waiting"), history.peak("q", "dead")) == (7, 8)


def test_an_hour_is_kept_and_no_more() -> None:
    history = History()
    history.add({"q": Depth(ready=1000)})
    for _ in range(KEPT):
        history.add({"q": Depth(ready=1)})
    assert len(points(history)) == KEPT
    assert history.peak("q", "waiting") == 1


def test_a_queue_of_which_nothing_is_known_has_no_line() -> None:
    assert History().line("q", "waiting") == ""
