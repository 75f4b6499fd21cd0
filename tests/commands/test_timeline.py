"""A history as lines: what happened, when, and why."""

from __future__ import annotations

from runner.commands.timeline import told_as_timeline
from runner.history import Deed, History
from runner.ledger.journey import Hop, Journey

T = 1_795_394_924.0
"""2026-11-23 00:48:44 UTC."""
DONE = Hop("m", "in", "handled", "POST /pay", T, "one", 3, T + 90, None, "bank away", 0.5, '{"charge.id": "ch_1"}')


def lines(*hops: Hop, deeds: tuple[Deed, ...] = ()) -> list[str]:
    return list(told_as_timeline(History(Journey("m", hops, {"payment": "paid"}), deeds), {"out": "two"}))


def test_each_hop_is_told_with_what_it_took_and_why_it_was_tried_again() -> None:
    assert lines(DONE) == [
        "m: done, 90.0 s after it was accepted",
        "  payment  paid",
        "",
        "2026-11-23 (UTC)",
        "00:48:44.000Z  accepted by POST /pay",
        "00:50:14.000Z  handled by one at attempt 3 (in; waited 89.5 s, took 500 ms)",
        "               before: bank away",
        "               charge.id  ch_1",
    ]


def test_a_dead_letter_is_told_with_what_operators_did_in_the_order_of_time() -> None:
    dead = Hop("m.2", "out", "dead", "one", T + 90, "two", 1, T + 91, None, "bounced")
    replay = Deed("2026-11-24T00:00:00.000+00:00", "ann", "replay", "out", "out", "the address\nis right", "")
    assert lines(DONE, dead, deeds=(replay,))[-6:] == [
        "00:50:15.000Z  given up by two (out, copy .2)",
        "               bounced",
        "               it lies on out.dlq; 'runner dead show' has more",
        "2026-11-24 (UTC)",
        "00:00:00.000Z  replayed by ann (out to out)",
        "               reason: the address is right",
    ]


def test_what_is_still_queued_is_told_at_the_time_when_it_was_published() -> None:
    queued = Hop("m", "out", "published", "one", T + 1, "", 0, T + 1, None, "")
    assert lines(queued)[0] == "m: accepted"
    assert lines(queued)[-1] == "00:48:45.000Z  queued for two (out)"
