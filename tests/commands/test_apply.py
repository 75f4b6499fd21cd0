"""`runner apply`: what it makes, what it refuses, and what `--migrate` moves."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pika
import pytest

from runner.audit import read_trail, who
from runner.brokers.registry import connect
from runner.commands.deeds import alone
from runner.config.loader import load
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from runner.processes.runs import RunFile
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace, RabbitPlace
from tests.brokers.plans import Collector
from tests.commands.prompt import PIPELINE, SCHEMA, lines, run, stored
from tests.ledger.ledgers import judge, record, settled
from tests.pipelines import write
from tests.waiting import wait_until


@pytest.fixture
def rabbit_file(tmp_path: Path, vhost_url: str) -> Path:
    return write(tmp_path, PIPELINE.replace("BROKER", vhost_url), {"payment.json": SCHEMA})


def test_what_is_missing_is_made_once(file: Path) -> None:
    first = run("apply", file)
    assert first.exit_code == 0
    assert "made queue payments\n" in first.stdout
    assert run("apply", file).stdout == "the broker has what the file needs\n"
    assert run("send", "-p", file, "payments", stdin=b'{"n": 1}').exit_code == 0


def test_a_length_that_the_file_has_changed_holds_from_then_on(file: Path) -> None:
    run("apply", file)
    file.write_text(file.read_text().replace("max_length: 3", "max_length: 1"))
    assert run("apply", file).exit_code == 0
    assert run("send", "-p", file, "payments", stdin=b'{"n": 1}\n{"n": 2}\n').exit_code == 1
    assert run("plan", file).exit_code == 0


def test_a_conflict_changes_nothing_until_it_is_to_be_migrated(rabbit_file: Path, vhost_url: str) -> None:
    run("send", "-p", rabbit_file, "payments", stdin=b'{"n": 1}\n{"n": 2}\n')
    rabbit_file.write_text(rabbit_file.read_text().replace("max_length: 3", "max_length: 4"))
    refused = run("apply", rabbit_file)
    assert refused.exit_code == 1
    assert "! queue payments has other arguments (2 messages on it)" in refused.stderr
    assert "runner apply --migrate" in refused.stderr
    assert refused.stdout == ""
    migrated = run("apply", "--migrate", "--reason", "longer", rabbit_file)
    assert migrated.exit_code == 0
    assert lines(migrated.stdout) == [
        "made queue payments anew, with 2 messages",
        "the broker has what the file needs",
    ]
    [deed] = read_trail(rabbit_file.parent, 10)
    assert (deed["who"], deed["deed"], deed["reason"]) == (who(), "migrate", "longer")
    assert (deed["from"], deed["to"], deed["messages"]) == ("payments", "payments", 2)
    assert [one.payload for one in RabbitPlace(vhost_url).contents("payments")] == [b'{"n": 1}', b'{"n": 2}']
    assert run("plan", rabbit_file).exit_code == 0


EVENTS = """
name: test
broker: BROKER
exchanges: {events: {type: topic}}
queues: {paid: {external: true, bind: [{exchange: events, key: paid.x}]}}
"""


def test_an_exchange_of_another_type_is_named_and_once_deleted_it_is_made_anew(tmp_path: Path, vhost_url: str) -> None:
    file = write(tmp_path, EVENTS.replace("BROKER", vhost_url))
    assert run("apply", file).exit_code == 0
    file.write_text(
        file.read_text().replace("type: topic", "type: direct").replace("external", "max_length: 9, external")
    )
    refused = run("apply", "--migrate", file)
    assert refused.exit_code == 1
    assert "! exchange events has other arguments" in refused.stderr
    assert "delete it on the broker" in refused.stderr
    assert read_trail(tmp_path, 10) == [], "a queue that is made anew would lack its bindings"
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        connection.channel().exchange_delete("events")
        assert run("apply", "--migrate", file).exit_code == 0
        connection.channel().basic_publish("events", "paid.x", b"{}")
    wait_until(lambda: len(RabbitPlace(vhost_url).contents("paid")) == 1)


def test_nothing_is_migrated_beside_a_run(rabbit_file: Path) -> None:
    with closing(RunFile(rabbit_file)):
        refused = run("apply", "--migrate", rabbit_file)
    assert refused.exit_code == 1
    assert "stop it, so that nothing is published meanwhile" in refused.stderr
    assert run("apply", "--migrate", rabbit_file).exit_code == 0


def test_two_do_not_migrate_at_once_and_no_run_starts_meanwhile(file: Path) -> None:
    with alone(file.parent, "move"):
        for command in (("apply", "--migrate"), ("run",)):
            refused = run(*command, file)
            assert refused.exit_code == 1
            assert re.search(r"'runner move' of \S+ \(process \d+, since .*\) is at work on", refused.stderr)
    assert run("apply", "--migrate", file).exit_code == 0
    assert not (file.parent / "var" / "moving.lock").exists()


def test_a_renamed_queue_is_moved_and_what_is_done_there_stays_done(file: Path) -> None:
    file.write_text(file.read_text() + "ledger: sqlite:ledger.db\n")
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n{"n": 2}\n')
    [first, _] = EmbeddedPlace(file.parent / "broker.db").contents("payments")
    ledger = Ledger(f"sqlite:{file.parent / 'ledger.db'}").open(timeout=30.0)
    record(ledger, settled(HopKey(first.id, "payments"), result=b"[]"))
    file.write_text(file.read_text().replace("payments", "charges").replace("charges: {", "charges: {was: payments, "))
    refused = run("apply", file)
    assert (refused.exit_code, "> queue charges was payments: 2 messages to move" in refused.stderr) == (1, True)
    moved = run("apply", "--migrate", file)
    assert (moved.exit_code, lines(moved.stdout)) == (
        0,
        ["moved 2 messages from payments to charges", "the broker has what the file needs"],
    )
    assert stored(file, "charges") == [{"n": 1}, {"n": 2}]
    assert [one.standing for one in judge(ledger, HopKey(first.id, "charges"))] == ["finished"]
    ledger.close()
    assert run("apply", "--migrate", file).stdout == "the broker has what the file needs\n"
    assert run("plan", file).exit_code == 0


def test_a_queue_that_is_still_consumed_under_its_former_name_changes_nothing(file: Path) -> None:
    former = load(file).pipeline
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n')
    file.write_text(file.read_text().replace("payments", "charges").replace("charges: {", "charges: {was: payments, "))
    with closing(connect(former, "test")) as broker:
        broker.start(plan(former))
        broker.consume("payments", 1, Collector())
        wait_until(lambda: broker.depths(["payments"])["payments"].in_hand == 1)
        refused = run("apply", "--migrate", file)
        assert (refused.exit_code, "somebody consumes payments: stop that" in refused.stderr) == (1, True)
    failed, begun = read_trail(file.parent, 10)
    assert (begun["from"], begun["to"], begun.get("failed")) == ("payments", "charges", None)
    assert "somebody consumes payments" in failed["failed"]
    assert run("apply", "--migrate", file).exit_code == 0
    assert stored(file, "charges") == [{"n": 1}]
