"""What `amqp/` uses of pika's internals: each private name with why, compared with the installed
pika. `make test-pika-next` asks the newest pre-release."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pika
import pytest
from pika import channel, connection
from pika.adapters import asyncio_connection, base_connection
from pika.adapters.utils import io_services_utils

from runner.brokers.rabbitmq import amqp
from runner.brokers.rabbitmq.amqp.adapter import Adapter
from runner.brokers.rabbitmq.amqp.channel import REJECTS_AFTER_CANCEL

AMQP = Path(amqp.__file__).parent
RABBITMQ = AMQP.parent
INSIDE = (connection, channel, base_connection, asyncio_connection, io_services_utils)
"""The modules of pika that `amqp/` builds on."""

NEEDED = {
    "_proto_connection_made": "where a connection's transport is known first, to have it read more at once",
    "_on_data_available": "the way in: deliveries and confirms are read here, a batch at a time",
    "_process_frame": "where a frame that isn't read here goes on its way through pika",
    "_adapter_emit_data": "the way out: what pika writes has to come behind what we have written",
    "_transport": "writes what the system doesn't take at once, and knows whether something is left of it",
    "_sock": "writes at once; pika would wait for the loop to tell it that it may",
    "_MAX_RECV_BYTES": "pika reads 4096 bytes at once, which hold twenty messages",
    "_MAX_CONSUME_BYTES": "one read a turn of the loop: what is left is told again",
    "_adapter_disconnect_stream": "hangs up without a word: a broker with an alarm reads no goodbye",
    "_cancelled": "pika 1.4 rejects what comes between a cancel and its confirmation; a reject counts as an attempt",
}


def private_names(source: str) -> set[str]:
    """The private attributes and methods that a module uses, sets or defines."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets) | ast.AnnAssign(target=targets):
                names = targets if isinstance(targets, list) else [targets]
                found |= {target.id for target in names if isinstance(target, ast.Name)}
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def pikas() -> set[str]:
    return set().union(*(private_names(inspect.getsource(module)) for module in INSIDE))


@pytest.mark.parametrize("file", sorted(AMQP.glob("*.py")), ids=lambda file: file.name)
def test_no_private_name_of_pikas_is_used_or_taken_that_is_not_listed(file: Path) -> None:
    """Not even by accident: a method of ours that happens to have the name of pika's overrides it."""
    assert private_names(file.read_text()) & pikas() <= set(NEEDED)


def test_every_listed_name_is_used() -> None:
    used = set().union(*(private_names(file.read_text()) for file in AMQP.glob("*.py")))
    assert set(NEEDED) <= used


@pytest.mark.parametrize("name", NEEDED)
def test_pika_still_has_it(name: str) -> None:
    if name == "_cancelled" and not REJECTS_AFTER_CANCEL:
        pytest.skip(f"pika {pika.__version__} keeps what comes after a cancel; the name isn't used")
    assert name in pikas(), f"pika {pika.__version__} has no {name} any more: {NEEDED[name]}"


def test_what_is_overridden_is_called_as_before() -> None:
    """By position, with as many arguments: what pika hands over is what the adapter expects."""
    ours = {
        name: getattr(Adapter, name)
        for name in ("_proto_connection_made", "_on_data_available", "_adapter_emit_data", "close")
    }
    for name, method in ours.items():
        theirs = getattr(asyncio_connection.AsyncioConnection, name)
        assert method is not theirs, f"{name} isn't overridden"
        if name != "close":
            assert len(inspect.signature(method).parameters) == len(inspect.signature(theirs).parameters), name


def test_nothing_outside_of_amqp_imports_pika() -> None:
    for file in RABBITMQ.parents[1].rglob("*.py"):
        if AMQP in file.parents:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.split(".")[0] == "pika"], file


@pytest.mark.parametrize("file", sorted(RABBITMQ.glob("*.py")), ids=lambda file: file.name)
def test_nobody_outside_reaches_through_the_face(file: Path) -> None:
    """No `_adapter`, no `_wire`, and no name of pika's that `Channel` and `Connection` keep inside."""
    private = {"_adapter", "_wire", "_channel"} | set(NEEDED)
    assert not private_names(file.read_text()) & private
