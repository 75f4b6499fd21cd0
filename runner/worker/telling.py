"""What a stage's result tells of a message, and which outcome that is.

An outcome is what `record` points to in a body that goes to one destination: `paid`, say, for the queue of mails.
It may come in several ways, from a stage's handler, from a look-up, or by a late answer (`settles`), and
is the same outcome however it comes. Decides only. Left out: who tells it (see `ledger.late`).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from runner.ledger.journey import json_of
from runner.ledger.late import Outcome
from runner.message import Outgoing, is_usable
from runner.pipeline import Pipeline, Stage
from runner.privacy.sealed import as_shown

_MISSING = object()
DIGEST = 16
"""Bytes."""


def tellers(pipeline: Pipeline) -> frozenset[str]:
    """The stages whose outcomes others may tell as well: none where no stage gets late answers."""
    stages = pipeline.stages.values()
    if all(stage.settles is None for stage in stages):
        return frozenset()
    return frozenset(stage.name for stage in stages if stage.settles is not None or _pointers(stage) or stage.reconcile)


def _pointers(stage: Stage) -> dict[str, str]:
    return {name: value for name, value in stage.record.items() if value.startswith("/")}


def outcomes(stage: Stage, id: str, messages: Sequence[Outgoing]) -> list[Outcome]:
    """One for each of `messages`, to which the message `id` has led."""
    if stage.settles is None:
        return [Outcome(id, _what(stage, message)) for message in messages]
    return [Outcome(_answered(stage.settles, message), _what(stage, message)) for message in messages]


def _answered(pointer: str, message: Outgoing) -> str:
    found = pointed_at(message.payload, pointer)
    return found if isinstance(found, str) and is_usable(found) else ""


def _what(stage: Stage, message: Outgoing) -> str:
    facts = {} if message.delay else facts_in(stage, message.payload)
    return blake2b(json_of([*message.destination, facts]).encode(), digest_size=DIGEST).hexdigest() if facts else ""


def facts_in(stage: Stage, payload: bytes) -> dict[str, str]:
    """What `record` points to in a body: JSON, by name, as it may be shown."""
    found = {name: pointed_at(payload, pointer) for name, pointer in _pointers(stage).items()}
    return {name: json_of(as_shown(value)) for name, value in found.items() if value is not _MISSING}


def pointed_at(payload: bytes, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) leads to in a body; `_MISSING` if nothing is there."""
    value = orjson.loads(payload)
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return _MISSING
    return value
