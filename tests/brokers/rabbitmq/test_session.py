"""Acks in batches: which of them leave together, and what they wait for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.brokers.rabbitmq.session import ChannelSession
from runner.message import NO_HEADERS, Delivery


class Acks:
    """Stands for a channel: notes what leaves, as the broker would understand it."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bool]] = []
        self.outstanding: set[int] = set()

    def ack(self, tag: int, *, multiple: bool) -> None:
        assert tag in self.outstanding, "RabbitMQ closes the channel (406)"
        self.frames.append((tag, multiple))
        self.outstanding = {other for other in self.outstanding if (other > tag if multiple else other != tag)}


def session_with(*tags: int) -> tuple[ChannelSession, Any]:
    channel: Any = Acks()
    session = ChannelSession(channel)
    for tag in tags:
        session.in_hand[tag] = Delivery("q", str(tag), b"", NO_HEADERS, 1, session, tag)
    channel.outstanding = set(tags)
    return session, channel


def settle(session: ChannelSession, *tags: int) -> None:
    for tag in tags:
        session.settled(tag)


def test_all_that_is_settled_in_order_leaves_in_one_frame() -> None:
    session, channel = session_with(*range(1, 101))
    settle(session, *range(1, 101))
    assert not session.flush()
    assert channel.frames == [(100, True)]


def test_what_lies_behind_a_slow_message_waits_and_then_leaves_singly() -> None:
    session, channel = session_with(1, 2, 3, 4)
    settle(session, 1, 3, 4)
    assert session.flush()
    assert channel.frames == [(1, True)]
    session.flush_singly()
    assert channel.frames == [(1, True), (3, False), (4, False)]
    assert channel.outstanding == {2}


def test_when_the_channel_is_gone_nothing_leaves() -> None:
    session, channel = session_with(1, 2)
    settle(session, 1)
    session.end()
    session.flush()
    session.flush_singly()
    assert (channel.frames, session.open, session.in_hand) == ([], False, {})


@pytest.mark.parametrize("tag", [2, 3])
def test_settling_what_is_not_in_hand_acks_nothing(tag: int) -> None:
    session, channel = session_with(1, 2)
    settle(session, 2, tag)
    session.flush_singly()
    assert channel.frames == [(2, False)]


@given(st.permutations(range(1, 9)), st.lists(st.sampled_from(["flush", "singly"]), min_size=8, max_size=8))
def test_in_whatever_order_they_are_settled_each_is_acked_and_none_that_is_in_hand(
    order: list[int], how: list[str]
) -> None:
    session, channel = session_with(*range(1, 9))
    for number, (tag, flushed) in enumerate(zip(order, how, strict=True), start=1):
        settle(session, tag)
        session.flush() if flushed == "flush" else session.flush_singly()
        assert set(session.in_hand) <= channel.outstanding, f"after {number}"
    session.flush_singly()
    assert channel.outstanding == set()
