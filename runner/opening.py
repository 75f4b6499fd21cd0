"""Opening what is sealed in a dead letter, for a person who gives a reason.

Left out: who may (see `console.access`), and handlers, which see what their stage reveals.
"""

from __future__ import annotations

from runner.audit import Trail
from runner.deadletters import DeadLetter
from runner.errors import RunnerError
from runner.json_text import parse_json
from runner.privacy.sealing import Sealer
from runner.sensitive import Inward


def sealed_fields(letter: DeadLetter) -> list[str]:
    """The names of what is sealed in the body of a dead letter."""
    try:
        return Inward(parse_json(letter.shelved.payload), None).fields
    except (ValueError, RecursionError):
        return []


def reveal(letter: DeadLetter, field: str, sealer: Sealer, trail: Trail) -> list[str]:
    """What is sealed in a field of a dead letter; there are several values if it is in a list. Raises RunnerError."""
    if field not in sealed_fields(letter):
        raise RunnerError(f"the body has no sealed field {field}")
    inward = Inward(parse_json(letter.shelved.payload), None)
    trail.write_field(letter, field)  # first: what is seen is always accounted for
    return [str(value) for value in inward.open(letter.id, [field], sealer)]
