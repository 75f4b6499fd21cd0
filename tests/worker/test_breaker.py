"""When a stage pauses, which attempts are spared, and when it goes on."""

from __future__ import annotations

import pytest

from runner.pipeline import Breaker
from runner.worker.breaker import NOTHING, CircuitBreaker, Verdict
from runner.worker.outcome import Fate, Fault, Outcome

DONE: list[object] = []
PASSING = Outcome(Fate.RETRY, 1, reason="503", fault=Fault.PASSING)
UNEXPECTED = Outcome(Fate.RETRY, 1, reason="KeyError: 'a'", fault=Fault.UNEXPECTED)
LAST = Outcome(Fate.DEAD, 8, reason="503", fault=Fault.PASSING)
REJECTED = Outcome(Fate.DEAD, 1, reason="no such address")
PAUSED = Outcome(Fate.PAUSE, 1, reason="wrong password", delay=60.0)


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker(Breaker(failures=3, pause=30.0))


def heard(breaker: CircuitBreaker, *outcomes: Outcome | list[object]) -> Verdict:
    """The last verdict; those before have to be none."""
    verdicts = [breaker.heard(outcome) for outcome in outcomes]  # type: ignore[arg-type]  # no message is needed
    assert set(verdicts[:-1]) <= {NOTHING}
    return verdicts[-1]


def opened(breaker: CircuitBreaker) -> CircuitBreaker:
    assert heard(breaker, PASSING, PASSING, PASSING).pause
    return breaker


def probing(breaker: CircuitBreaker) -> CircuitBreaker:
    opened(breaker).resumed()
    assert breaker.probing
    return breaker


@pytest.mark.parametrize("last", [PASSING, UNEXPECTED, LAST])
def test_the_stage_pauses_after_so_many_failures_in_a_row_whatever_they_are(
    breaker: CircuitBreaker, last: Outcome
) -> None:
    verdict = heard(breaker, PASSING, UNEXPECTED, last)
    assert verdict == Verdict(f"3 attempts in a row have failed, the last with: {last.reason}")


def test_a_success_between_starts_the_count_again(breaker: CircuitBreaker) -> None:
    assert heard(breaker, PASSING, PASSING, DONE, PASSING, PASSING) == NOTHING
    assert heard(breaker, PASSING).pause


@pytest.mark.parametrize("outcome", [REJECTED, PAUSED])
def test_what_says_nothing_of_the_service_is_neither_a_failure_nor_a_success(
    breaker: CircuitBreaker, outcome: Outcome
) -> None:
    assert heard(breaker, PASSING, outcome, PASSING, outcome) == NOTHING
    assert heard(breaker, PASSING).pause


def test_what_was_begun_before_the_pause_and_fails_in_it_is_spared_and_changes_nothing_else(
    breaker: CircuitBreaker,
) -> None:
    for outcome in (PASSING, LAST):
        assert (opened(breaker) if outcome is PASSING else breaker).heard(outcome) == Verdict(spare=True)
    assert breaker.heard(UNEXPECTED) == NOTHING


def test_what_was_begun_before_the_pause_and_succeeds_in_it_closes_the_breaker(breaker: CircuitBreaker) -> None:
    assert heard(opened(breaker), DONE) == NOTHING
    breaker.resumed()
    assert not breaker.probing


def test_after_the_pause_a_success_lets_the_stage_go_on(breaker: CircuitBreaker) -> None:
    assert heard(probing(breaker), DONE) == Verdict(go_on=True)
    assert not breaker.probing
    assert heard(breaker, PASSING, PASSING) == NOTHING, "it counts from the beginning again"


@pytest.mark.parametrize("outcome", [PASSING, LAST])
def test_after_the_pause_one_failure_is_enough_and_its_attempt_is_spared(
    breaker: CircuitBreaker, outcome: Outcome
) -> None:
    for failures in (4, 5, 6):
        verdict = heard(probing(breaker) if failures == 4 else breaker, outcome)
        assert verdict == Verdict(f"{failures} attempts in a row have failed, the last with: 503", spare=True)
        breaker.resumed()
        assert breaker.probing


def test_after_the_pause_an_unexpected_error_counts_as_an_attempt_for_it_may_be_the_messages_fault(
    breaker: CircuitBreaker,
) -> None:
    verdict = heard(probing(breaker), UNEXPECTED)
    assert verdict.pause
    assert not verdict.spare


@pytest.mark.parametrize("outcome", [REJECTED, PAUSED])
def test_what_says_nothing_of_the_service_leaves_it_to_the_next_message(
    breaker: CircuitBreaker, outcome: Outcome
) -> None:
    assert heard(probing(breaker), outcome) == NOTHING
    breaker.resumed()  # after a pause that the handler asked for
    assert breaker.probing
    assert heard(breaker, DONE).go_on


def test_another_pause_of_a_closed_breaker_ends_without_a_probe(breaker: CircuitBreaker) -> None:
    breaker.resumed()
    assert not breaker.probing


def test_its_state_is_told_by_name(breaker: CircuitBreaker) -> None:
    states = [breaker.state, opened(breaker).state]
    breaker.resumed()
    states.append(breaker.state)
    heard(breaker, DONE)
    assert [*states, breaker.state] == ["closed", "open", "probing", "closed"]
