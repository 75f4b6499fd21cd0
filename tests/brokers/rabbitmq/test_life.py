"""The states of a connection's life, and that the drawing shows them."""

from __future__ import annotations

import pytest

from runner.brokers.rabbitmq import life
from runner.brokers.rabbitmq.life import TRANSITIONS, Change, Life, State
from runner.errors import BrokerSetupError
from runner.events import UNWATCHED, Events
from tests.watching import Journal


def lived(*changes: Change, events: Events = UNWATCHED) -> Life:
    found = Life(events)
    for change in changes:
        found.happened(change)
    return found


READY = (Change.START, Change.OPENED, Change.CHANNEL_OPENED)


@pytest.mark.parametrize(
    ("events", "state", "available", "connected"),
    [
        ((), State.NEW, False, False),
        ((Change.START,), State.CONNECTING, False, False),
        ((Change.START, Change.LOST, Change.LOST), State.CONNECTING, False, False),
        ((Change.START, Change.OPENED), State.PREPARING, False, False),
        (READY, State.READY, True, True),
        ((*READY, Change.CHANNEL_CLOSED), State.REPAIRING, False, True),
        ((*READY, Change.CHANNEL_CLOSED, Change.CHANNEL_OPENED), State.READY, True, True),
        ((*READY, Change.CHANNEL_CLOSED, Change.LOST), State.CONNECTING, False, False),
        ((*READY, Change.LOST), State.CONNECTING, False, False),
        ((*READY, Change.LOST, Change.OPENED, Change.CHANNEL_OPENED), State.READY, True, True),
        ((*READY, Change.CLOSE), State.CLOSING, False, True),
        ((*READY, Change.CLOSE, Change.CHANNEL_CLOSED, Change.CHANNEL_OPENED), State.CLOSING, False, True),
        ((*READY, Change.CLOSE, Change.LOST), State.CLOSED, False, False),
        ((*READY, Change.CLOSE, Change.HUNG_UP), State.CLOSED, False, False),
        ((Change.START, Change.CLOSE), State.CLOSED, False, False),
        ((Change.CLOSE,), State.CLOSED, False, False),
    ],
    ids=str,
)
def test_what_happens_leads_from_state_to_state(
    events: tuple[Change, ...], state: State, available: bool, connected: bool
) -> None:
    found = lived(*events)
    assert (found.state, found.available, found.connected) == (state, available, connected)


@pytest.mark.parametrize("event", Change)
def test_news_that_come_after_the_end_change_nothing(event: Change) -> None:
    found = lived(Change.START, Change.CLOSE)
    assert found.happened(event) == (State.CLOSED, State.CLOSED)


def test_a_broker_that_takes_no_messages_is_not_available_though_it_is_connected() -> None:
    found = lived(*READY)
    found.blocked = "the broker takes no messages now: low on memory"
    assert (found.available, found.connected) == (False, True)


def test_the_first_refusal_ends_the_first_start() -> None:
    found = lived(Change.START)
    found.refused("node", "it refuses the user name or the password")
    found.refused("node", "and again")
    assert found.was_refused
    with pytest.raises(BrokerSetupError, match=r"^it refuses the user name"):
        found.first.wait(0)


def test_a_later_refusal_is_reported_and_may_be_mended() -> None:
    journal = Journal()
    found = lived(*READY, events=Events([journal]))
    found.first.give()
    found.refused("node", "no access")
    assert not found.was_refused
    assert [(seen.event, seen.at, seen.more) for seen in journal.seen] == [
        ("disconnected", "node", ("no access", False)),
    ]


def test_every_state_can_be_reached_and_left_but_the_last() -> None:
    reached = {after for events in TRANSITIONS.values() for after in events.values()}
    assert reached == set(State) - {State.NEW}
    assert [state for state, events in TRANSITIONS.items() if not events] == [State.CLOSED]
    assert list(TRANSITIONS) == list(State)


def test_the_drawing_names_every_state_and_every_event() -> None:
    drawing = life.__doc__ or ""
    assert [state.name for state in State if state.name not in drawing] == []
    assert [event.name for event in Change if event.name.lower().replace("_", " ") not in drawing] == []
