"""Dead letters as values: read whoever wrote them, grouped by kind of error, found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from runner.brokers.base import Shelved
from runner.deadletters import LONGEST_STAGE, MOST_KINDS, OTHERS, DeadLetter, Filter, body_of, grouped, kind_of, read
from runner.privacy.sealed import HIDDEN
from runner.validation.schema import Schema

TRACE = """Traceback (most recent call last):
  File "/app/runner/worker.py", line 10, in call
    handler(message)
  File "/app/stages/bank.py", line 42, in charge
    raise ValueError("no account 4711")
ValueError: no account 4711
"""


def letter(id: str = "m", payload: bytes = b"{}", **headers: Any) -> DeadLetter:
    return read("payments", Shelved(id, payload, {f"runner-{name}": value for name, value in headers.items()}, 0))


def test_an_exception_is_known_by_its_type_and_place() -> None:
    assert kind_of("no account 4711", TRACE) == "ValueError in charge (bank.py)"
    assert kind_of("no account 4712", TRACE.replace("4711", "4712")) == "ValueError in charge (bank.py)"


def test_an_error_without_a_traceback_is_known_by_its_words() -> None:
    first = kind_of("order 17 of 0a1b2c3d4e5f: 'Tom' is refused", "")
    assert first == kind_of("order 9 of ffffffffffff: 'Ann' is refused", "")
    assert "refused" in first


@pytest.mark.parametrize("nonsense", [7, b"bytes", None, ["list"], {"a": 1}, "", "\x1b[31m"])
def test_headers_that_others_wrote_stop_nothing(nonsense: object) -> None:
    found = letter("", b"\xff", error=nonsense, time=nonsense, attempt=nonsense, traceback=nonsense, stage=nonsense)
    assert (found.id, found.time) == ("", None)
    assert grouped([found])[0].count == 1
    assert body_of(found, None) == "\ufffd"


def test_a_stage_that_others_wrote_does_not_fill_the_screen() -> None:
    assert len(letter(stage="x" * 60_000).stage) == LONGEST_STAGE


def test_card_numbers_are_shown_by_their_last_four_digits_only() -> None:
    found = letter(payload=b'{"card": "4000000000000119"}', error="4000000000000119 is declined")
    assert "400000000000" not in found.error + found.kind + body_of(found, None)


@pytest.mark.parametrize("value", ["s3cret", 90210, 90210.5, True, ["s3cret"], {"a": "s3cret"}, None])
def test_what_should_be_sealed_is_shown_to_nobody_whatever_others_have_put_there(value: object) -> None:
    card = {"pin": {"x-sensitive": {"show": "hidden"}}, "cvv": {"x-forbidden": True}}
    schema = Schema({"properties": {**card, "cards": {"items": {"properties": card}}}})
    body = {"pin": value, "cvv": "123", "cards": [{"pin": value, "cvv": 123}], "note": "seen"}
    shown = orjson.loads(body_of(letter(payload=orjson.dumps(body)), schema))
    hidden = None if value is None else HIDDEN
    assert shown == {"pin": hidden, "cards": [{"pin": hidden}], "note": "seen"}


def test_groups_have_counts_times_and_the_newest_example() -> None:
    days = [f"2026-01-0{day}T00:00:00+00:00" for day in (2, 3, 1)]
    letters = [letter(f"m{n}", error=f"refused {n}", time=day) for n, day in enumerate(days)]
    first, second = grouped([letter("x", error="other"), *letters])
    assert (first.count, first.newest.id, second.count) == (3, "m1", 1)
    assert (first.first, first.last) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))


def test_of_many_dead_letters_no_body_is_kept() -> None:
    groups = grouped(letter(f"m{n}", error=kind, payload=b"x" * 1000) for n, kind in enumerate(["a", "b", "b"]))
    assert [(group.newest.id, group.newest.shelved.payload) for group in groups] == [("m1", b""), ("m0", b"")]


def test_more_kinds_than_fit_into_memory_become_one_group() -> None:
    known = letter()
    groups = grouped(replace(known, kind=f"kind {n}") for n in range(MOST_KINDS + 50))
    assert len(groups) == MOST_KINDS + 1
    assert (groups[0].kind, groups[0].count) == (OTHERS, 50)


def test_a_filter_takes_what_fits_all_that_it_names() -> None:
    found = letter(error="Bank refused", stage="pay", time="2026-01-02T00:00:00+00:00")
    day = datetime(2026, 1, 2, tzinfo=UTC)
    assert Filter(frozenset({"m"}), "pay", "bank", since=day).takes(found)
    for other in (Filter(frozenset({"n"})), Filter(stage="mail"), Filter(error="smtp"), Filter(until=day)):
        assert not other.takes(found)
    assert not Filter(since=day).takes(letter())
