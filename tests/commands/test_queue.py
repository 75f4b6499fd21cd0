"""`runner queue`: what an operator sees, and what becomes of the messages that wait."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.brokers.registry import connect
from runner.config.loader import load
from runner.message import Destination, Outgoing
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace
from tests.commands.prompt import lines, run


def put(file: Path, *names: str, delay: float = 0.0, body: bytes = b'{"card": "4000000000000119"}') -> None:
    pipeline = load(file).pipeline
    broker = connect(pipeline, "test")
    broker.start(plan(pipeline), timeout=30)
    failed = {"runner-attempt": 2, "runner-error": "bank is away"} if delay else {}
    broker.publish([Outgoing(Destination("", "free"), name, body, failed, delay=delay) for name in names])
    broker.close()


def left(file: Path) -> Sequence[str]:
    return [message.id for message in EmbeddedPlace(file.parent / "broker.db").contents("free")]


def test_peek_shows_what_waits_masked_and_changes_nothing(file: Path) -> None:
    put(file, "a", "b")
    put(file, "late", delay=600)
    shown = run("queue", "peek", "-p", file).stdout
    assert "a: ready on free, attempt 1" in shown
    assert "late: delayed on free, attempt 3" in shown
    assert "failed before: bank is away" in shown
    assert "0119" in shown
    assert "4000000000000119" not in shown
    documents = [json.loads(line) for line in lines(run("queue", "peek", "-p", file, "--format", "json").stdout)]
    assert [(one["id"], one["state"]) for one in documents] == [("a", "ready"), ("b", "ready"), ("late", "delayed")]
    assert len(lines(run("queue", "peek", "-p", file, "--limit", "1", "--format", "json").stdout)) == 1
    assert left(file) == ["a", "b"]


def test_peek_says_that_nothing_waits(file: Path) -> None:
    put(file, "a")
    assert run("queue", "peek", "-p", file, "--queue", "payments").stderr == "no messages wait\n"
    told = "the file has no stage 'taek' (did you mean 'take'?)\nno messages wait\n"
    assert run("queue", "peek", "-p", file, "--stage", "taek").stderr == told


def test_cancel_wants_a_reason_and_a_choice(file: Path) -> None:
    put(file, "a", "b")
    put(file, "late", delay=600)
    assert run("queue", "cancel", "-p", file, "--id", "a").exit_code == 2
    assert run("queue", "cancel", "-p", file, "--reason", "no").exit_code == 2
    result = run("queue", "cancel", "-p", file, "--id", "a", "--id", "late", "--reason", "a test order")
    assert (result.exit_code, result.stdout) == (0, "cancelled 2 messages\n")
    assert left(file) == ["b"]
    assert run("queue", "peek", "-p", file, "--id", "late").stdout == ""
    assert '"reason":"a test order"' in (file.parent / "var" / "audit.jsonl").read_text()


def test_drain_and_fill_move_them_out_and_back(file: Path, tmp_path: Path) -> None:
    put(file, "a", "b")
    drained = tmp_path / "drained.jsonl"
    result = run("queue", "drain", "-p", file, "--all", "--reason", "a move", drained)
    assert (result.stdout, left(file)) == (f"drained 2 messages into {drained}\n", [])
    assert run("queue", "drain", "-p", file, "--all", "--reason", "a move", drained).exit_code == 1
    assert run("queue", "fill", "-p", file, drained).stdout == "put back 2 messages\n"
    assert left(file) == ["a", "b"]


@pytest.mark.parametrize("command", ["peek", "cancel", "drain", "fill"])
def test_help_says_what_is_touched(command: str) -> None:
    assert run("queue", command, "--help").exit_code == 0
    assert "left alone" in run("queue", "--help").stdout


def test_fill_that_ends_early_says_from_which_line_to_go_on(file: Path, tmp_path: Path) -> None:
    put(file, "a", "b", "c")
    drained = tmp_path / "drained.jsonl"
    run("queue", "drain", "-p", file, "--all", "--reason", "a move", drained)
    first, second, third = drained.read_text().splitlines(keepends=True)
    drained.write_text(first + second + "rubbish\n" + third)
    result = run("queue", "fill", "-p", file, drained)
    assert result.exit_code == 1
    assert (
        "line 3 is none of a file that 'runner queue drain' has written; before that: put back 2 messages"
        in result.stderr
    )
    assert "go on from line 3: 'tail -n +3 FILE | runner queue fill -'" in result.stderr
    assert run("queue", "fill", "-p", file, "-", stdin=third.encode()).exit_code == 0
    assert left(file) == ["a", "b", "c"]


def test_a_drain_that_finds_nothing_leaves_no_file(file: Path, tmp_path: Path) -> None:
    put(file, "a")
    drained = tmp_path / "drained.jsonl"
    result = run("queue", "drain", "-p", file, "--id", "nosuch", "--reason", "a move", drained)
    assert (result.exit_code, result.stdout, drained.exists()) == (0, "drained 0 messages\n", False)


def test_a_drain_that_fails_leaves_no_empty_file(file: Path, tmp_path: Path) -> None:
    put(file, "a")
    drained = tmp_path / "drained.jsonl"
    result = run("queue", "drain", "-p", file, "--queue", "nosuch", "--reason", "a move", drained)
    assert (result.exit_code, drained.exists()) == (1, False)
    assert run("queue", "drain", "-p", file, "--all", "--reason", "a move", drained).exit_code == 0


def test_peek_that_is_stopped_ends_after_the_message_in_hand(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `timeout` stops it: what RabbitMQ has handed to it is given back, not counted as a death."""

    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def killed(*_: object) -> None:
        raise AssertionError("it was killed")

    put(file, "a", "b", "c")
    monkeypatch.setattr("runner.commands.queue.print_waiting", stop)
    before = signal.signal(signal.SIGTERM, killed)
    try:
        result = run("queue", "peek", "-p", file)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (result.exit_code, result.output) == (1, "")
    assert isinstance(result.exception, SystemExit)
