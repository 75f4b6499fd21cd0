"""`runner dead`: what an operator sees, and what becomes of the dead letters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.brokers.registry import connect, shelf
from runner.config.loader import load
from runner.errors import TakenError
from runner.message import Destination, Outgoing
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace
from tests.commands.prompt import lines, run
from tests.pipelines import write

FAILED = {
    "runner-error": "order 17 is refused",
    "runner-stage": "take",
    "runner-attempt": 8,
    "runner-queue": "payments",
    "runner-time": "2026-01-02T03:04:05.000+00:00",
}


def bury(file: Path, *letters: tuple[str, bytes], headers: Mapping[str, Any] = FAILED) -> None:
    broker = connect(load(file).pipeline, "test")
    broker.start(plan(load(file).pipeline), timeout=30)
    broker.publish([Outgoing(Destination("", "payments.dlq"), name, body, headers) for name, body in letters])
    broker.close()


def left(file: Path, queue: str = "payments.dlq") -> list[str]:
    return [message.id for message in EmbeddedPlace(file.parent / "broker.db").contents(queue)]


def test_list_groups_by_stage_and_kind_of_error(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'), ("b", b'{"n": 2}'))
    bury(file, ("c", b"{}"), headers={})
    heading, _, first, second = lines(run("dead", "list", "-p", file).stdout)
    assert heading.split()[:2] == ["count", "queue"]
    assert first.split()[:3] == ["2", "payments", "take"]
    assert "order … is refused" in first
    assert "2026-01-02 03:04:05Z" in first
    assert "no error is named" in second
    (group, _) = json.loads(run("dead", "list", "-p", file, "--format", "json").stdout)
    assert (group["count"], group["newest"]["id"]) == (2, "b")


def test_a_stage_that_is_not_in_the_file_may_have_been_removed_or_mistyped(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'), headers={**FAILED, "runner-stage": "removed"})
    listed = run("dead", "list", "-p", file, "--stage", "taek")
    assert lines(listed.stderr) == ["the file has no stage 'taek' (did you mean 'take'?)", "no dead letters"]
    listed = run("dead", "list", "-p", file, "--stage", "removed")
    assert lines(listed.stderr) == ["the file has no stage 'removed'; the stages are take, end"]
    assert "order … is refused" in listed.stdout


def test_show_prints_all_that_may_be_shown(file: Path) -> None:
    bury(file, ("a", b'{"card": "4000000000000119"}'))
    shown = run("dead", "show", "-p", file, "a").stdout
    assert "error: order 17 is refused" in shown
    assert "0119" in shown
    assert "4000000000000119" not in shown
    assert run("dead", "show", "-p", file, "zzz").exit_code == 1


def test_the_first_error_is_shown_beside_the_last(file: Path) -> None:
    first = {"first-error": "bank 7 is away", "first-stage": "take", "first-time": "2026-01-01T00:00:00+00:00"}
    bury(file, ("a", b'{"n": 1}'), headers={**FAILED, **first})
    shown = run("dead", "show", "-p", file, "a").stdout
    assert "error: order 17 is refused" in shown
    assert "first error: bank 7 is away (take, 2026-01-01 00:00:00Z)" in shown
    assert "bank … is away" in " ".join(run("dead", "list", "-p", file).stdout.split())
    (group,) = json.loads(run("dead", "list", "-p", file, "--format", "json").stdout)
    assert group["newest"]["first_error"] == "bank 7 is away"


def test_replay_sends_it_as_new_and_writes_down_who_did(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'), ("b", b'{"n": 2}'), headers={**FAILED, "mine": "kept"})
    assert (
        run("dead", "replay", "-p", file, "--id", "a", "--reason", "bank is back").stdout == "replayed 1 dead letter\n"
    )
    assert left(file) == ["b"]
    (message,) = EmbeddedPlace(file.parent / "broker.db").contents("payments")
    assert (message.id, json.loads(message.payload), message.headers) == ("a", {"n": 1}, {"mine": "kept"})
    (entry,) = map(json.loads, lines((file.parent / "var" / "audit.jsonl").read_text()))
    assert (entry["deed"], entry["id"], entry["reason"]) == ("replay", "a", "bank is back")
    assert entry["who"]


def test_a_dry_run_says_what_would_be_refused_and_changes_nothing(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'), ("bad", b'{"n": "x"}'), ("worse", b"{"))
    result = run("dead", "replay", "-p", file, "--all", "--dry-run")
    assert result.stdout == "would replay 1 dead letter; 2 would stay where they are\n"
    assert "payments: bad stays: the body breaks the schema of payments" in result.stderr
    assert "payments: worse stays: the body is not JSON" in result.stderr
    assert left(file) == ["a", "bad", "worse"]
    assert not (file.parent / "var").exists()


def test_what_the_queue_refuses_stays_a_dead_letter(file: Path) -> None:
    bury(file, *((f"m{n}", b'{"n": 1}') for n in range(5)))  # the queue takes three
    result = run("dead", "replay", "-p", file, "--all")
    assert (result.exit_code, result.stdout) == (1, "replayed 3 dead letters; 2 stay where they are\n")
    assert left(file) == ["m3", "m4"]


def test_replay_and_drop_without_a_filter_ask_for_one(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'))
    for command in (["replay"], ["drop", "--reason", "no"]):
        result = run("dead", *command, "-p", file)
        assert result.exit_code == 2
        assert "say which are meant" in result.stderr
    assert left(file) == ["a"]


def test_drop_wants_a_reason_and_writes_it_down(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'), ("b", b'{"n": 2}'))
    assert run("dead", "drop", "-p", file, "--id", "a").exit_code == 2
    assert run("dead", "drop", "-p", file, "--id", "a", "--reason", " ").exit_code == 2
    assert run("dead", "drop", "-p", file, "--id", "a", "--reason", "a test order").stdout == "dropped 1 dead letter\n"
    assert left(file) == ["b"]
    assert '"reason":"a test order"' in (file.parent / "var" / "audit.jsonl").read_text()


def test_export_writes_a_line_for_each(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'), ("b", b'{"n": 2}'))
    documents = [json.loads(line) for line in lines(run("dead", "export", "-p", file, "--stage", "take").stdout)]
    assert [document["id"] for document in documents] == ["a", "b"]


def test_a_queue_that_is_not_there_is_named_with_what_is(file: Path) -> None:
    result = run("dead", "list", "-p", file, "--queue", "payment")
    assert result.exit_code == 1
    assert "there is no queue 'payment'" in result.stderr


def test_what_is_sealed_is_shown_masked_and_stays_sealed_in_a_replay(tmp_path: Path) -> None:
    marked = {"type": "object", "properties": {"card": {"pattern": "^[0-9]{16}$", "x-sensitive": {"show": "last4"}}}}
    text = """
        broker: BROKER
        keys: file:keys
        queues: {payments: {schema: sealed.json}}
        stages: {take: {consume: payments, handler: "tests.commands.prompt:take"}}
    """
    file = write(tmp_path, text, {"sealed.json": marked})
    clear = b'{"card": "4242424242424242"}'
    assert run("send", "-p", file, "payments", stdin=clear).exit_code == 0
    database = EmbeddedPlace(tmp_path / "broker.db")
    (sealed,) = database.contents("payments")
    bury(file, (sealed.id, sealed.payload), ("old", clear))
    shown = run("dead", "show", "-p", file, sealed.id).stdout
    assert '"card": "····4242"' in shown
    assert run("dead", "replay", "-p", file, "--all").stdout == "replayed 2 dead letters\n"
    _, again, old = database.contents("payments")
    assert again == sealed
    assert b"4242424242424242" not in old.payload
    assert b"sealed." in old.payload


def test_a_replay_takes_what_lay_there_and_not_what_comes_meanwhile(file: Path) -> None:
    bury(file, ("a", b'{"n": 1}'), ("b", b'{"n": 2}'))
    with shelf(load(file).pipeline, "test", "payments.dlq") as on:
        seen = []
        for shelved in on.look():
            seen.append(shelved.id)
            assert on.settle(shelved, [Outgoing(Destination("", "payments.dlq"), shelved.id, shelved.payload)])
    assert seen == ["a", "b"]
    assert left(file) == ["a", "b"]


def test_what_a_message_needs_on_its_way_stays_with_it(file: Path) -> None:
    """Which way it came, whether it is looked up, and what travels with it."""
    kept = {"first-error": "no", "via": "0a1b", "looks": 3, "http-x-request-id": "r-1", "mine": "kept"}
    bury(file, ("a", b'{"n": 1}'), headers={**FAILED, **kept})
    assert run("dead", "replay", "-p", file, "--all").exit_code == 0
    (message,) = EmbeddedPlace(file.parent / "broker.db").contents("payments")
    assert message.headers == kept


def test_the_audit_says_what_did_not_happen(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(file, ("a", b'{"n": 1}'))
    monkeypatch.setattr("runner.brokers.embedded.shelf.EmbeddedShelf.settle_all", lambda *_: [TakenError()])
    assert run("dead", "replay", "-p", file, "--all").exit_code == 1
    begun, failed = map(json.loads, lines((file.parent / "var" / "audit.jsonl").read_text()))
    assert "failed" not in begun
    assert failed["failed"] == "somebody else has it in hand"
    assert run("dead", "drop", "-p", file, "--all", "--reason", "why").stdout == (
        "dropped 0 dead letters; 1 stays where it is\n"
    )


@pytest.mark.parametrize("empty", [("--id", ""), ("--stage", ""), ("--error", "")])
def test_an_empty_filter_is_refused_lest_more_is_dropped_than_was_meant(file: Path, empty: tuple[str, str]) -> None:
    """As `--error "$ERROR"` is, where the variable isn't set."""
    bury(file, ("a", b'{"n": 1}'))
    result = run("dead", "drop", "-p", file, "--queue", "payments", *empty, "--reason", "x")
    assert (result.exit_code, left(file)) == (2, ["a"])
    assert "is empty; leave it out, or say what is meant" in result.stderr
