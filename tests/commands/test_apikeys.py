"""`runner apikeys`: makes keys that open, shows them without what opens, and revokes them."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from bench.postgres_node import PostgresNode
from runner.ledger.ledger import Ledger
from tests.commands.prompt import run

PIPELINE = """
name: shop
ledger: sqlite:ledger.db
queues: {orders: {}}
http: {routes: {POST /orders: {publish: orders, auth: api_key}}}
stages: {take: {consume: orders, handler: "tests.config.handlers:take"}}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    return file


def command(pipeline: Path, *words: str, status: int = 0) -> str:
    result = run("apikeys", *words, "-p", str(pipeline))
    assert result.exit_code == status, result.output
    return result.output


def test_a_key_is_made_before_the_first_run_and_opens(pipeline: Path) -> None:
    key, told = command(pipeline, "add", "shop").splitlines()
    ledger = Ledger(f"sqlite:{pipeline.parent / 'ledger.db'}").open(timeout=30.0)
    [made] = ledger.api_keys.all()
    ledger.close()
    assert told == f"the key {made.id} of shop is valid; send it as 'Authorization: Bearer KEY'"
    assert (made.caller, made.expires_at) == ("shop", None)
    listed = command(pipeline, "list")
    assert key not in listed
    assert [line.split()[:2] for line in listed.splitlines()] == [["key", "caller"], [made.id, "shop"]]
    assert "never" in listed
    assert "until revoked" in listed


def test_a_key_expires_when_asked_to(pipeline: Path) -> None:
    told = command(pipeline, "add", "shop", "--expires", "90d").splitlines()[1]
    until = told.partition("valid until ")[2].partition(";")[0]
    assert f"until {until}" in command(pipeline, "list")


def test_a_key_is_revoked_by_its_id_and_once(pipeline: Path) -> None:
    command(pipeline, "add", "shop")
    key = command(pipeline, "list").splitlines()[1].split()[0]
    assert f"shop is a caller, and a key is revoked by its id: {key}" in command(pipeline, "revoke", "shop", status=1)
    assert command(pipeline, "revoke", key).startswith(f"revoked the key {key} of shop")
    assert "no, revoked at" in command(pipeline, "list")
    assert "was revoked at" in command(pipeline, "revoke", key, status=1)
    assert "there is no API key shop" in command(pipeline, "revoke", "shop", status=1)


def test_who_may_only_read_the_ledger_lists_the_keys(pipeline: Path, postgres_node: PostgresNode) -> None:
    url = postgres_node.new_database()
    pipeline.write_text(PIPELINE.replace("sqlite:ledger.db", url))
    command(pipeline, "add", "shop")
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    assert "until revoked" in command(pipeline, "list")
    assert "read-only" in command(pipeline, "add", "other", status=1)


@pytest.mark.parametrize("caller", ["", "-x", "two words", "a" * 65, "\x1b[31m"])
def test_a_caller_has_a_name_that_can_be_shown(pipeline: Path, caller: str) -> None:
    assert "a caller's name has 1 to 64 letters" in run("apikeys", "add", "-p", pipeline, "--", caller).output


def test_a_lifetime_is_a_span_to_come(pipeline: Path) -> None:
    assert "is not a duration" in command(pipeline, "add", "shop", "--expires", "soon", status=2)
    assert "must be valid for some time" in command(pipeline, "add", "shop", "--expires", "0s", status=2)


def test_no_keys_and_no_ledger_are_told_with_what_to_do(pipeline: Path) -> None:
    assert command(pipeline, "list") == "there are no API keys; make one with 'runner apikeys add CALLER'\n"
    assert not (pipeline.parent / "ledger.db").exists()
    pipeline.write_text(PIPELINE.replace("ledger: sqlite:ledger.db\n", "").replace(", auth: api_key", ""))
    assert "pipeline.yaml has no ledger; add 'ledger: sqlite:var/ledger.db'" in command(pipeline, "list", status=1)
