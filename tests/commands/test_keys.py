"""`runner keys`: makes, lists, rotates and retires keys, and keeps what is still needed."""

from __future__ import annotations

import json
import re
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runner.brokers.registry import connect
from runner.cli import main
from runner.commands import keys as command
from runner.config.loader import load
from runner.errors import ConfigError
from runner.ledger.hops import HopKey, Records, Settled
from runner.ledger.ledger import Ledger
from runner.ledger.once import stored
from runner.ledger.tables import REQUEST
from runner.message import Destination, Outgoing
from runner.privacy.keyset import KeySet, make_keys, read_keys
from runner.topology import plan
from tests.pipelines import write

SCHEMA = {"properties": {"cardNo": {"type": "string", "x-sensitive": {"show": "last4"}}}}
PIPELINE = """
    broker: BROKER
    keys: file:var/keys
    queues: {work: {schema: sealed.json}}
    stages: {one: {consume: work, handler: "tests.config.handlers:take"}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path, PIPELINE, {"sealed.json": SCHEMA})


def run(file: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["keys", *words, "-p", str(file)])


def known(file: Path) -> KeySet:
    return read_keys(file.parent / "var/keys")


def put(file: Path, *bodies: bytes) -> None:
    """Declare the queue, and publish to it."""
    loaded = load(file)
    broker = connect(loaded.pipeline, "test")
    broker.start(plan(loaded.pipeline), timeout=10)
    broker.publish([Outgoing(Destination("", "work"), "1", body) for body in bodies])
    broker.close()


def test_keys_that_production_refuses_are_exchanged_by_these_commands(file: Path) -> None:
    make_keys(file.parent / "var/keys", development=True)
    [made_up] = known(file).keys
    file.write_text(f"production: true\n{file.read_text()}")
    with pytest.raises(ConfigError, match="made up for development"):
        load(file)
    for words in (["list"], ["rotate"], ["retire", made_up.id, "--force"]):
        result = run(file, *words)
        assert result.exit_code == 0, result.output
    assert load(file).pipeline.production
    assert made_up.id not in {key.id for key in known(file).keys}


def rotated(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a key that another one has replaced, long enough ago."""
    run(file, "generate")
    old = known(file).current
    run(file, "rotate")
    monkeypatch.setattr(command, "SETTLED", -command.SETTLED)
    return old


def test_the_first_key_seals_and_the_next_one_only_after_a_rotation(file: Path) -> None:
    assert run(file, "generate").output.startswith("made ")
    first = known(file).current
    assert "it opens, and seals from the next 'runner keys rotate' on" in run(file, "generate").output
    assert known(file).current == first
    second = known(file).keys[-1].id
    assert f"the key {second} seals from now on" in run(file, "rotate").output
    assert [key.id for key in known(file).keys] == [first, second]


def test_the_list_shows_what_each_key_does_and_no_secret(file: Path) -> None:
    run(file, "generate")
    run(file, "rotate")
    shown = run(file, "list").output
    old, new = known(file).keys
    assert re.search(rf"^{old.id} +\S+ +opens +{old.replaced}", shown, re.MULTILINE)
    assert re.search(rf"^{new.id} +\S+ +seals and opens", shown, re.MULTILINE)
    assert re.findall(r"[A-Za-z0-9+/]{40,}", shown) == []


def test_a_key_that_nothing_needs_is_retired(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = rotated(file, monkeypatch)
    put(file)
    assert run(file, "retire", old).exit_code == 0
    assert [key.id for key in known(file).keys] == [known(file).current]


def test_the_key_that_seals_is_not_retired_even_by_force(file: Path) -> None:
    run(file, "generate")
    refused = run(file, "retire", known(file).current, "--force")
    assert refused.exit_code == 1
    assert "seals; 'runner keys rotate' first" in refused.output


def test_a_key_that_was_replaced_just_now_is_not_retired(file: Path) -> None:
    run(file, "generate")
    old = known(file).current
    run(file, "rotate")
    refused = " ".join(run(file, "retire", old).output.split())
    assert "less than a minute ago, and some process may still seal with it; wait a minute, or use" in refused
    assert known(file).key(old)


def test_a_key_is_not_retired_while_a_message_may_need_it_unless_by_force(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = rotated(file, monkeypatch)
    put(file, b"{}")
    refused = run(file, "retire", old)
    assert refused.exit_code == 1
    assert f"the key {old} may still be needed: work holds 1 message; wait until these queues" in refused.output
    assert known(file).key(old)
    assert run(file, "retire", old, "--force").exit_code == 0
    assert known(file).key(old) is None


def test_a_key_is_not_retired_while_the_ledger_keeps_a_result_that_it_seals(
    file: Path, monkeypatch: pytest.MonkeyPatch, ledger_url: str
) -> None:
    file.write_text(f"{file.read_text()}\nledger: {ledger_url}\n")
    old = rotated(file, monkeypatch)
    put(file)
    new, card = known(file).current, "sealed.1.{}.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA==.····1111"
    recorded(ledger_url, card.format(old), card.format(new), "nothing sealed")
    refused = run(file, "retire", old)
    assert refused.exit_code == 1
    assert f"the key {old} is still needed: the ledger keeps 1 result of stages with 'once'" in refused.output
    assert known(file).key(old)
    assert run(file, "retire", old, "--force").exit_code == 0


def test_a_key_is_not_retired_while_it_tells_a_repeated_request_from_another_one(
    file: Path, monkeypatch: pytest.MonkeyPatch, ledger_url: str
) -> None:
    route = "http: {routes: {POST /pay: {publish: work, idempotency: {keep: 1h}}}}"
    file.write_text(f"{file.read_text()}\nledger: {ledger_url}\n{route}\n")
    old = rotated(file, monkeypatch)
    put(file)
    replaced = datetime.fromisoformat(getattr(known(file).key(old), "replaced", "")).timestamp()
    monkeypatch.setattr("time.time", lambda: replaced + 600.0)
    asked(ledger_url, replaced - 60, "POST /pay", "POST /pay (shop)")  # before the rotation
    asked(ledger_url, replaced + 300, "POST /pay (other)", "POST /payments")
    refused = run(file, "retire", old)
    assert refused.exit_code == 1
    assert f"the key {old} is still needed: the ledger recognizes 2 requests by it" in refused.output
    monkeypatch.setattr("time.time", lambda: replaced + 3600.0)
    assert run(file, "retire", old).exit_code == 0


def asked(ledger_url: str, at: float, *callers: str) -> None:
    """A request with a key has come from each of the callers, which is kept for an hour."""
    ledger = Ledger(ledger_url).open(timeout=30.0)
    with ledger._database.transaction() as connection:
        row = {"key": "k", "fingerprint": "f", "message": "m", "answer": b"{}", "busy_until": 0.0}
        rows = [{**row, "caller": caller, "expires_at": at + 3600} for caller in callers]
        connection.execute(ledger._database.add_missing(REQUEST), rows)
    ledger.close()


def test_a_ledger_that_was_never_used_needs_no_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(f"{file.read_text()}\nledger: sqlite:var/ledger.db\n")
    old = rotated(file, monkeypatch)
    put(file)
    assert run(file, "retire", old).exit_code == 0


def recorded(ledger_url: str, *values: str) -> None:
    """A stage has recorded a result with each of the values."""
    ledger, done = Ledger(ledger_url).open(timeout=30.0), threading.Event()
    records = Records()
    for number, value in enumerate(values):
        message = Outgoing(
            Destination("", "out"), f"m{number}", json.dumps({"cardNo": value}, ensure_ascii=False).encode()
        )
        key = HopKey(message.id, "work")
        records.settled(Settled(key, "handled", "one", 1, time.time(), result=stored([message])))
    ledger.record(records, lambda _error: done.set())
    assert done.wait(30)
    ledger.close()


def test_a_wrong_id_is_answered_with_those_there_are(file: Path) -> None:
    run(file, "generate")
    refused = run(file, "retire", "nothing")
    assert refused.exit_code == 1
    assert known(file).current in refused.output


def test_a_key_is_named_to_retire_it_and_for_nothing_else(file: Path) -> None:
    assert run(file, "retire").exit_code == run(file, "list", "a1b2c3d4").exit_code == 2


def test_a_file_without_keys_says_what_to_add(tmp_path: Path) -> None:
    file = write(tmp_path, "queues: {work: {}}")
    assert "names no keys; add 'keys: file:var/keys'" in run(file, "list").output
