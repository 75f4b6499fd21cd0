"""Commands as they are typed at the prompt, and a pipeline for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from runner.cli import main
from tests.brokers.places import EmbeddedPlace

PIPELINE = """
    name: test
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      routes:
        POST /pay: {publish: payments}
    mailbox: {listen: "127.0.0.1:0", folder: mailbox}
    queues:
      payments: {schema: payment.json, max_length: 3}
      free: {}
    stages:
      take: {consume: payments, handler: "tests.commands.prompt:take", publish: free}
      end: {consume: free, handler: "tests.commands.prompt:take"}
"""
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def take(message: object) -> None: ...


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


def lines(text: str) -> Sequence[str]:
    return text.strip().splitlines()


def stored(file: Path, queue: str) -> list[object]:
    return [json.loads(m.payload) for m in EmbeddedPlace(file.parent / "broker.db").contents(queue)]
