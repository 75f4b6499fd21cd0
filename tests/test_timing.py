"""How long a handler's own calls take."""

from __future__ import annotations

import threading

import pytest

from runner import timed, timing


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, float]]:
    told: list[tuple[str, str, float]] = []
    monkeypatch.setattr(timing, "WATCHERS", [lambda *call: told.append(call)])
    return told


def test_what_is_inside_is_told_with_the_stage_of_its_thread(told: list[tuple[str, str, float]]) -> None:
    def work() -> None:
        timing.SLOT.stage = "send_email"
        with timed("smtp"):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    [(stage, call, seconds)] = told
    assert (stage, call) == ("send_email", "smtp")
    assert 0.0 <= seconds < 60.0
    with timed("smtp"):
        pass
    assert told[1][0] == "", "of no stage"


def test_a_call_that_fails_is_told_as_well_and_its_error_goes_on(told: list[tuple[str, str, float]]) -> None:
    with pytest.raises(ValueError, match="no"), timed("bank"):
        raise ValueError("no")
    assert [call for _, call, _ in told] == ["bank"]
