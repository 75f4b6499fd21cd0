"""The trace that a message belongs to, by W3C's Trace Context."""

from __future__ import annotations

import pytest

from runner.traces import MOST_OPEN, TRACEPARENT, Span, Tracing, child, read, root

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"


def test_what_names_a_span_is_read_and_written_as_it_came() -> None:
    assert read(SENT) == Span(TRACE, SPAN, "01")
    assert str(read(SENT)) == SENT
    assert read(f"cc-{TRACE}-{SPAN}-01-what-comes-later") == Span(TRACE, SPAN, "01"), "of a later version"


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        None,
        7,
        SENT.upper(),
        SENT + "-more",
        SENT + "\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:8]}-{SPAN}-01",
    ],
)
def test_anything_else_is_no_span(nonsense: object) -> None:
    assert read(nonsense) is None


def test_each_hop_is_a_span_of_its_own_in_the_same_trace() -> None:
    parent = Span(TRACE, SPAN, "03")
    spans = {child(parent).id for _ in range(100)}
    assert len(spans) == 100
    assert child(parent).trace == TRACE
    assert (child(parent).flags, child(Span(TRACE, SPAN, "02")).flags) == ("01", "00")
    assert read(str(child(parent))) is not None
    assert read(str(root())) is not None


def test_a_request_has_a_span_below_that_of_its_sender() -> None:
    tracing = Tracing()
    tracing.starts = lambda _trace: True
    entered = tracing.entered({TRACEPARENT: SENT, "http-x": "1"})
    span = read(entered[TRACEPARENT])
    assert span is not None
    assert (span.trace, entered["http-x"]) == (TRACE, "1")
    assert tracing.parent_of(span.id) == SPAN
    assert tracing.parent_of(span.id) is None, "it is told once"


def test_without_a_header_a_trace_begins_only_where_somebody_wants_it() -> None:
    tracing = Tracing()
    assert tracing.entered({}) == {}
    tracing.starts = lambda _trace: False
    assert tracing.entered({}) == {}
    tracing.starts = lambda _trace: True
    assert read(tracing.entered({})[TRACEPARENT]) is not None


def test_a_header_that_cannot_be_read_travels_as_it_came() -> None:
    tracing = Tracing()
    tracing.starts = lambda _trace: True
    assert tracing.entered({TRACEPARENT: "00-4bf92f35-00f0-01"}) == {TRACEPARENT: "00-4bf92f35-00f0-01"}


def test_parents_that_nobody_asks_for_do_not_fill_the_memory() -> None:
    tracing = Tracing()
    tracing.starts = lambda _trace: True
    first = read(tracing.entered({TRACEPARENT: SENT})[TRACEPARENT])
    for _ in range(MOST_OPEN):
        tracing.entered({TRACEPARENT: SENT})
    assert first is not None
    assert tracing.parent_of(first.id) is None
