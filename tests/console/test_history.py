"""The last hour, for lines and rates."""

from __future__ import annotations

from runner.brokers.base import Depth
from runner.console.history import EVERY, HEIGHT, KEPT, STEADY, WIDTH, History, line
from runner.observability.snapshot import Snapshot, StageTotals, Told, Totals


def counted(at: float, handled: int = 0) -> Snapshot:
    totals = Totals(stages={"pay": StageTotals(handled=handled - 1, retried=1) if handled else StageTotals()})
    return Snapshot(at, {}, Told(totals))


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def test_now_is_at_the_right_and_more_is_higher() -> None:
    history = History()
    for number, ready in enumerate((0, 100, 50)):
        history.add({"q": Depth(ready=ready, in_hand=0, delayed=0)}, counted(number))
    found = points(history.waiting("q"))
    assert found[-1][0] == WIDTH
    assert [x for x, _ in found] == sorted(x for x, _ in found)
    (_, none), (_, most), (_, some) = found
    assert 0 < most < some < none < HEIGHT
    assert history.peak("q") == 100


def test_what_waits_is_ready_in_hand_or_delayed() -> None:
    history = History()
    history.add({"q": Depth(ready=1, in_hand=2, delayed=4, dead=8)}, counted(0.0))
    assert history.peak("q") == 7


def test_an_hour_is_kept_and_no_more() -> None:
    history = History()
    history.add({"q": Depth(ready=1000)}, counted(-EVERY))
    for number in range(KEPT):
        history.add({"q": Depth(ready=1)}, counted(number * EVERY))
    assert len(points(history.waiting("q"))) == KEPT
    assert history.peak("q") == 1


def test_what_was_before_the_broker_was_away_stays_where_its_time_was() -> None:
    history = History()
    for at in (0, 1800, 3000, 5400):
        history.add({"q": Depth(ready=at)}, counted(at, 1 + at))
    assert [x for x, _ in points(history.waiting("q"))] == [0, WIDTH / 3, WIDTH], "the first is too old"
    assert [x for x, _ in points(history.handled("pay"))] == [WIDTH / 3, WIDTH]


def test_a_queue_of_which_nothing_is_known_has_no_line() -> None:
    assert History().waiting("q") == History().handled("pay") == line([]) == ""
    assert History().rate("pay", counted(1.0, 9)) is None


def test_a_rate_counts_every_attempt_over_the_last_moments() -> None:
    history = History()
    for number in range(10):
        history.add({}, counted(number * EVERY, number * 100))
    now = 9 * EVERY + 1
    rate = history.rate("pay", counted(now, 1000))
    assert rate is not None
    steps = STEADY // EVERY
    assert rate == (1000 - (9 - steps) * 100) / (now - (9 - steps) * EVERY)
    assert {y for _, y in points(history.handled("pay"))[1:]} == {1.0}, "always as fast"


def test_a_run_that_has_begun_again_has_no_negative_rate() -> None:
    history = History()
    history.add({}, counted(0.0, 100))
    assert history.rate("pay", counted(60.0, 3)) == 0
