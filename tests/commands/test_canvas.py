"""Rows of text with wires beside them."""

from __future__ import annotations

from runner.commands.canvas import Canvas


def drawn(canvas: Canvas) -> str:
    return "\n" + "\n".join(canvas.lines()) + "\n"


def test_rows_without_wires_stay_as_they_are() -> None:
    canvas = Canvas()
    canvas.add("one")
    canvas.add()
    canvas.add("two ")
    assert canvas.lines() == ["one", "", "two"]


def test_a_wire_leads_from_its_row_down_to_its_target() -> None:
    canvas = Canvas()
    canvas.leave("b", "a ─")
    canvas.add("between")
    canvas.arrive("b", "(b)")
    assert (
        drawn(canvas)
        == """
a ───────┐
between  │
(b) ◀────┘
"""
    )


def test_a_wire_may_lead_back_up() -> None:
    canvas = Canvas()
    canvas.arrive("a", "(a)")
    canvas.add()
    canvas.leave("a", "b ─")
    assert (
        drawn(canvas)
        == """
(a) ◀┐
     │
b ───┘
"""
    )


def test_wires_to_one_target_join() -> None:
    canvas = Canvas()
    canvas.leave("z", "a ─")
    canvas.leave("z", "b ─")
    canvas.arrive("z", "(z)")
    canvas.leave("z", "c ─")
    assert (
        drawn(canvas)
        == """
a ───┐
b ───┤
(z) ◀┤
c ───┘
"""
    )


def test_wires_that_meet_cross_in_lanes_of_their_own_the_short_one_inside() -> None:
    canvas = Canvas()
    canvas.leave("y", "a ─")
    canvas.leave("z", "b ─")
    canvas.arrive("z", "(z)")
    canvas.arrive("y", "(y)")
    assert (
        drawn(canvas)
        == """
a ──────┐
b ───┐  │
(z) ◀┘  │
(y) ◀───┘
"""
    )
    crossing = Canvas()
    crossing.leave("y", "a ─")
    crossing.leave("z", "b ─")
    crossing.arrive("y", "(y)")
    crossing.arrive("z", "(z)")
    assert (
        drawn(crossing)
        == """
a ───┐
b ───┼──┐
(y) ◀┘  │
(z) ◀───┘
"""
    )


def test_a_wire_to_nothing_ends_at_its_row() -> None:
    canvas = Canvas()
    canvas.leave(None, "a ─")
    assert canvas.lines() == ["a ─▶ no queue of this file"]
