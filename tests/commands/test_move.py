"""`runner move`: what it prints, and when it refuses."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from runner.audit import read_trail, who
from runner.brokers import registry
from runner.brokers.registry import connect
from runner.commands.deeds import alone
from runner.config.loader import load
from runner.moving import at
from runner.processes.runs import RunFile
from runner.topology import plan
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import Collector
from tests.commands.prompt import lines, run


def move(file: Path, to: str, *more: str, source: str = "embedded:broker.db") -> tuple[int, str, str]:
    result = run("move", "--from", source, "--to", to, *more, file)
    return result.exit_code, result.stdout, result.stderr


def test_everything_is_counted_and_then_moved(file: Path, vhost_url: str) -> None:
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n{"n": 2}\n')
    run("send", "-p", file, "free", stdin=b'{"n": 3}\n')
    assert move(file, vhost_url, "--dry-run")[:2] == (0, "would move 3 messages\n")
    assert read_trail(file.parent, 10) == []
    status, told, _ = move(file, vhost_url, "--reason", "two machines")
    assert (status, lines(told)) == (0, ["payments: 2 messages", "free: 1 message", "moved 3 messages"])
    [deed] = read_trail(file.parent, 10)
    assert (deed["who"], deed["deed"], deed["reason"]) == (who(), "move", "two machines")
    assert (deed["from"], deed["messages"]) == ("embedded:broker.db", 3)
    assert deed["to"].startswith("amqp://")
    assert ":guest@" not in deed["to"]
    assert [one.payload for one in RabbitPlace(vhost_url).contents("payments")] == [b'{"n": 1}', b'{"n": 2}']
    assert move(file, vhost_url)[:2] == (0, "moved 0 messages\n")


def test_beside_a_run_or_a_worker_nothing_is_moved(file: Path) -> None:
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n')
    with closing(RunFile(file)):
        status, _, told = move(file, "embedded:new.db")
        assert (status, "stop it first" in told) == (1, True)
    pipeline = load(file).pipeline
    with closing(connect(pipeline, "test")) as broker:
        broker.start(plan(pipeline))
        broker.consume("payments", 1, Collector())
        status, _, told = move(file, "embedded:new.db")
        assert (status, "workers take from payments; stop them first" in told) == (1, True)
    assert not (file.parent / "new.db").exists()
    assert move(file, "embedded:new.db")[0] == 0


def test_nobody_else_moves_or_migrates_meanwhile(file: Path, vhost_url: str) -> None:
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n')
    told = r" is at work on these queues; wait until that has ended, or stop it"
    with alone(file.parent, "apply --migrate"):
        assert re.search(r"'runner apply --migrate' of \S+ \(process \d+, since .*\)" + told, move(file, vhost_url)[2])
    there = at(load(file), vhost_url)
    for pipeline, holder in (
        (load(file).pipeline, r"'test other' \(process \d+\)"),
        (there.pipeline, "somebody else .*"),
    ):
        with registry.alone(pipeline, "other"):
            assert re.search(holder + " is at work on these queues", move(file, vhost_url)[2])
    assert move(file, vhost_url)[0] == 0


def test_messages_on_a_queue_that_the_file_does_not_name_are_not_forgotten(file: Path) -> None:
    run("send", "-p", file, "free", stdin=b'{"n": 1}\n')
    file.write_text(file.read_text().replace("free", "other"))
    status, _, told = move(file, "embedded:new.db")
    assert (status, "doesn't name: free (1)" in told) == (1, True)


def test_only_from_the_embedded_broker_and_to_another_one(file: Path, vhost_url: str) -> None:
    assert "--from must be an embedded broker" in move(file, "embedded:new.db", source=vhost_url)[2]
    assert "name the same broker" in move(file, "embedded:broker.db")[2]
    assert "not there yet" in move(file, "embedded:new.db", source="embedded:nothing.db")[2]


def test_a_queue_that_was_renamed_is_moved_under_its_new_name_first(file: Path) -> None:
    run("send", "-p", file, "free", stdin=b'{"n": 1}\n')
    file.write_text(file.read_text().replace("free", "other").replace("other: {}", "other: {was: free}"))
    status, _, told = move(file, "embedded:new.db")
    assert (status, "'runner apply --migrate' moves that first" in told) == (1, True)
    run("apply", "--migrate", file)
    assert move(file, "embedded:new.db")[:2] == (0, "other: 1 message\nmoved 1 message\n")
