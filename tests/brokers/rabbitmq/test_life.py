"""The states of a connection's life, and that the drawing shows them."""

from __future__ import annotations

import logging

import pytest

from runner.brokers.rabbitmq import life
from runner.brokers.rabbitmq.life import TRANSITIONS, Event, Life, State
from runner.errors import BrokerSetupError


def lived(*events: Event) -> Life:
    found = Life()
    for event in events:
        found.happened(event)
    return found


READY = (Event.START, Event.OPENED, Event.CHANNEL_OPENED)


@pytest.mark.parametrize(
    ("events", "state", "available", "connected"),
    [
        ((), State.NEW, False, False),
        ((Event.START,), State.CONNECTING, False, False),
        ((Event.START, Event.LOST, Event.LOST), State.CONNECTING, False, False),
        ((Event.START, Event.OPENED), State.PREPARING, False, False),
        (READY, State.READY, True, True),
        ((*READY, Event.CHANNEL_CLOSED), State.REPAIRING, False, True),
        ((*READY, Event.CHANNEL_CLOSED, Event.CHANNEL_OPENED), State.READY, True, True),
        ((*READY, Event.CHANNEL_CLOSED, Event.LOST), State.CONNECTING, False, False),
        ((*READY, Event.LOST), State.CONNECTING, False, False),
        ((*READY, Event.LOST, Event.OPENED, Event.CHANNEL_OPENED), State.READY, True, True),
        ((*READY, Event.CLOSE), State.CLOSING, False, True),
        ((*READY, Event.CLOSE, Event.CHANNEL_CLOSED, Event.CHANNEL_OPENED), State.CLOSING, False, True),
        ((*READY, Event.CLOSE, Event.LOST), State.CLOSED, False, False),
        ((*READY, Event.CLOSE, Event.HUNG_UP), State.CLOSED, False, False),
        ((Event.START, Event.CLOSE), State.CLOSED, False, False),
        ((Event.CLOSE,), State.CLOSED, False, False),
    ],
    ids=str,
)
def test_what_happens_leads_from_state_to_state(
    events: tuple[Event, ...], state: State, available: bool, connected: bool
) -> None:
    found = lived(*events)
    assert (found.state, found.available, found.connected) == (state, available, connected)


@pytest.mark.parametrize("event", Event)
def test_news_that_come_after_the_end_change_nothing(event: Event) -> None:
    found = lived(Event.START, Event.CLOSE)
    assert found.happened(event) == (State.CLOSED, State.CLOSED)


def test_a_broker_that_takes_no_messages_is_not_available_though_it_is_connected() -> None:
    found = lived(*READY)
    found.blocked = "the broker takes no messages now: low on memory"
    assert (found.available, found.connected) == (False, True)


def test_the_first_refusal_ends_the_first_start() -> None:
    found = lived(Event.START)
    found.refused("it refuses the user name or the password")
    found.refused("and again")
    assert found.was_refused
    with pytest.raises(BrokerSetupError, match=r"^it refuses the user name"):
        found.first.wait(0)


def test_a_later_refusal_is_told_and_may_be_mended(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "runner.broker")
    found = lived(*READY)
    found.first.give()
    found.refused("no access")
    assert not found.was_refused
    assert "the broker refuses: no access" in caplog.text


def test_every_state_can_be_reached_and_left_but_the_last() -> None:
    reached = {after for events in TRANSITIONS.values() for after in events.values()}
    assert reached == set(State) - {State.NEW}
    assert [state for state, events in TRANSITIONS.items() if not events] == [State.CLOSED]
    assert list(TRANSITIONS) == list(State)


def test_the_drawing_names_every_state_and_every_event() -> None:
    drawing = life.__doc__ or ""
    assert [state.name for state in State if state.name not in drawing] == []
    assert [event.name for event in Event if event.name.lower().replace("_", " ") not in drawing] == []
