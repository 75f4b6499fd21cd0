"""What `runner tap` prints of what workers tell; the whole way is in tests/system/test_tap.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.commands import tap as command
from runner.commands.tap import MOST_WAITING, Stream, as_document, as_line, show
from runner.errors import RunnerError
from tests.commands.prompt import run

HANDLED = {
    "time": "2026-11-26T21:27:24.666Z",
    "stage": "pay",
    "outcome": "handled",
    "id": "m1",
    "attempt": 2,
    "seconds": 0.006,
    "to": ["mails"],
    "body": '{"user":"t•••@example.com"}',
}
RETRY = {
    "time": HANDLED["time"],
    "outcome": "retry",
    "id": "m\x1b1",
    "attempt": 1,
    "seconds": 1.5,
    "delay": 7.0,
    "error": "a\nb",
}


class Told:
    """A broker whose workers have told this already."""

    def __init__(self, *answers: Any) -> None:
        self._answers = answers

    def poll(self, _question: bytes, heard: Callable[[bytes], None]) -> Callable[[], None]:
        for answer in self._answers:
            heard(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
        return lambda: None


def stream(*answers: Any) -> Stream:
    return Stream(Told(*answers), b"")  # type: ignore[arg-type]


def answer(*messages: Any, left_out: int = 0) -> dict[str, Any]:
    return {"worker": "w", "left_out": left_out, "messages": list(messages)}


def test_a_message_is_a_line_for_people() -> None:
    assert as_line(HANDLED).split("  ") == [
        "21:27:24.666Z",
        "\x1b[32mhandled\x1b[0m",
        "m1",
        "attempt 2",
        "6 ms",
        "→ mails",
        '{"user":"t•••@example.com"}',
    ]
    assert "again in 7s  a b" in as_line(RETRY)
    assert "m\x1b1" not in as_line(RETRY)


def test_for_a_program_the_body_is_json_where_it_can_be() -> None:
    assert json.loads(as_document(HANDLED))["body"] == {"user": "t•••@example.com"}
    assert json.loads(as_document({**HANDLED, "body": '{"user":"t…'}))["body"] == '{"user":"t…'


def test_what_was_left_out_is_told_between_the_messages(capsys: pytest.CaptureFixture[str]) -> None:
    show(stream(answer(HANDLED, left_out=1234), answer(HANDLED)), as_line, 2, "pay")
    assert len(capsys.readouterr().out.splitlines()) == 2
    found = stream(*[answer(*[HANDLED] * 100)] * (MOST_WAITING // 100 + 1), answer(left_out=7))
    assert found.left_out == 107


def test_nonsense_that_others_send_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    nonsense = [b"{", b"[]", b"1", {"messages": 1, "left_out": 0}, {"messages": [1], "left_out": 0}, {"left_out": "x"}]
    show(stream(*nonsense, answer(HANDLED)), as_document, 1, "pay")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_it_ends_when_nobody_answers_any_more_and_fails_when_nobody_ever_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "SILENCE", 0.1)
    monkeypatch.setattr(command, "FIRST_ANSWER", 0.1)
    show(stream(answer()), as_line, None, "pay")
    said = capsys.readouterr().err.splitlines()
    assert said == ["watching pay; Ctrl-C ends it", "no worker answers any more: the run has ended"]
    with pytest.raises(RunnerError, match="no worker of pay answers"):
        show(stream(), as_line, None, "pay")


def test_a_stage_that_the_file_does_not_have_is_told(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text("queues: {a: {}}\nstages: {pay: {consume: a, handler: 'tests.config.handlers:take'}}")
    assert "did you mean 'pay'?" in run("tap", "pai", "-p", file).stderr
