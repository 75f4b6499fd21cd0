"""Phrases for people."""

from __future__ import annotations

import pytest

from runner.wording import did_you_mean, listed, nearest_name, paused, quoted, shown


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("notificaton_queue", "notification_queue"),
        ("NotificationQueue", "notification_queue"),
        ("notification-queue", "notification_queue"),
        ("payment", "payments"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(name: str, nearest: str | None) -> None:
    assert nearest_name(name, ["notification_queue", "payments"]) == nearest


def test_a_name_is_not_its_own_nearest() -> None:
    assert did_you_mean("payments", ["payments"]) == ""
    assert did_you_mean("payment", ["payments"]) == " (did you mean 'payments'?)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "'abc'"),
        ("", "empty text"),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        ("x" * 100, "'" + "x" * 59 + "…'"),
        (5, "5"),
        (0.5, "0.5"),
        (10**100, "1" + "0" * 58 + "…"),
        (True, "true"),
        (None, "empty"),
        ([1], "a list"),
        ({}, "a mapping"),
    ],
)
def test_a_value_is_shown_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_quotes_do_not_let_a_line_break_through() -> None:
    assert quoted("a\r\nb") == r"'a\r\nb'"


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed(names: list[str], text: str) -> None:
    assert listed(names) == text


def test_a_pause_is_told_with_its_reason_or_with_who_it_is() -> None:
    assert paused("the relay is closed") == "paused: the relay is closed"
    assert paused("by ada: the bank is down") == "paused by ada: the bank is down"
    assert paused("") == "paused"
