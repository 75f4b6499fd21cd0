"""The values of a document, one by one."""

# ruff: noqa: E501 - a case a line: what is written, and what is said

from __future__ import annotations

import pytest

from tests.config.files import changed, loaded, problems_of

pytestmark = pytest.mark.usefixtures("any_schema")


def test_a_gap_in_the_wiring_makes_no_queue_look_unused() -> None:
    text = changed("publish: c}", "publish: 5}")
    assert [problem.message for problem in problems_of(text)] == [
        "stage two: publish is 5, but must be a queue's name, a list of names, or a list of routes such as {when: {required: [refusal]}, to: refused}"
    ]


def test_a_fault_elsewhere_hides_no_doubts_about_the_wiring() -> None:
    text = changed("c: {}}", "c: {}, d: {}}").replace("http: {", "http: {listen: x, ")
    assert [problem.severity for problem in problems_of(text)] == ["error", "warning"]


def test_whole_numbers_may_be_written_as_helm_writes_them() -> None:
    text = """
queues: {a: {max_length: 1e+06, delivery_limit: 30.0}}
http: {max_body: 65536.0, max_connections: 100.0, routes: {POST /a: {publish: a}}}
defaults: {prefetch: 10.0}
stages: {s: {consume: a, handler: tests.config.handlers:take, concurrency: 4.0, retry: {attempts: 10.0, max_delay: 9.0}}}
"""
    pipeline = loaded(text).pipeline
    queue, stage, http = pipeline.queues["a"], pipeline.stages["s"], pipeline.http
    assert http is not None
    numbers = [queue.max_length, queue.delivery_limit, http.max_body, http.max_connections]
    numbers += [stage.prefetch, stage.concurrency, stage.retry.attempts]
    assert numbers == [1_000_000, 30, 65_536, 100, 10, 4, 10]
    assert {type(number) for number in numbers} == {int}
