"""Limits that contradict each other, or what the broker can bear."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

import pytest

from tests.config.files import changed, check_problems, problems_of

pytestmark = pytest.mark.usefixtures("any_schema")


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("b: {}", "b: {delivery_limit: ¦5}"), "queue b has a delivery_limit of 5, and stage two makes 5 attempts; the limit must be more than the attempts"),
        (changed("consume: b", "retry: {attempts: ¦20, factor: 1}, consume: b"), "queue b has a delivery_limit of 20, and stage two makes 20 attempts; the limit must be more than the attempts"),
        (changed("consume: b", "retry: {attempts: ¦15, factor: 1.1}, consume: b"), "stage two: retry has 14 different waits, each of which is a queue; 12 are the most: raise factor, or lower attempts or max_delay"),
        (changed("consume: b", "retry: {delay: ¦10m}, consume: b"), "stage two: retry.delay 10m is longer than max_delay 5m; lower it or raise max_delay"),
        (changed("stages:", "defaults: {retry: {delay: ¦10m}}\nstages:"), "defaults: retry.delay 10m is longer than max_delay 5m; lower it or raise max_delay"),
        (changed("http: {", "http: {max_body: 2MiB, max_bodies: ¦1MiB, "), "http.max_bodies 1MiB is less than max_body 2MiB; raise it, or lower max_body"),
    ],
)  # fmt: skip
def test_limits_that_contradict_each_other_are_an_error(marked: str, message: str) -> None:
    check_problems(marked, [message], "error")


@pytest.mark.parametrize(
    ("marked", "message"),
    [
        (changed("consume: b", "timeout: ¦31m, consume: b", "broker: amqp://h"), "stage two: timeout is 31m, but after 30m RabbitMQ hands a message out once more; lower it, or raise consumer_timeout on the broker"),
        (changed("consume: b", "concurrency: 4, prefetch: ¦3, consume: b"), "stage two: prefetch 3 is less than concurrency 4, which leaves slots idle; raise it"),
    ],
)  # fmt: skip
def test_limits_that_waste_or_repeat_work_are_a_warning(marked: str, message: str) -> None:
    check_problems(marked, [message], "warning")


def test_twelve_waits_are_not_too_many() -> None:
    assert problems_of(changed("consume: b", "retry: {attempts: 13, factor: 1.1}, consume: b")) == []


def test_as_many_attempts_as_one_likes_fit_where_the_wait_stays_the_same() -> None:
    text = changed("consume: b", "retry: {attempts: 99, factor: 1}, consume: b").replace(
        "b: {}", "b: {delivery_limit: 100}"
    )
    assert problems_of(text) == []
