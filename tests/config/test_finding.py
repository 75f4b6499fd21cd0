"""A field that no message can be found by is told when the file is read."""

from __future__ import annotations

import json
from pathlib import Path

from tests.config.files import problems_of

SCHEMA = {
    "properties": {"user": {}, "card": {"properties": {"no": {"type": "string", "x-sensitive": {"show": "last4"}}}}},
    "additionalProperties": False,
}
TAKE = "tests.config.handlers:take"


def problems(
    folder: Path, at_route: str = "[user]", at_stage: str = "[user]", *, ledger: str = "ledger: sqlite:l.db\n"
) -> list[str]:
    (folder / "closed.json").write_text(json.dumps(SCHEMA))
    stage = (
        f"s: {{consume: a, handler: '{TAKE}', publish: b, find: {at_stage}}}\n  end: {{consume: b, handler: '{TAKE}'}}"
    )
    text = f"""
{ledger}keys: file:var/keys
queues: {{a: {{schema: closed.json}}, b: {{schema: closed.json}}}}
http: {{routes: {{POST /a: {{publish: a, find: {at_route}}}}}}}
stages:
  {stage}
"""
    return [problem.message for problem in problems_of(text)]


def test_fields_that_the_schemas_have_are_fine_and_so_is_one_that_is_sealed_later(folder: Path) -> None:
    assert problems(folder, "[user, card.no]") == []


def test_a_field_that_no_body_can_have_is_a_warning_with_the_nearest_name(folder: Path) -> None:
    assert problems(folder, "[usr]") == [
        "route POST /a: find names 'usr', which the schema of a doesn't allow (did you mean 'user'?)"
    ]


def test_what_is_sealed_can_not_be_found_at_a_stage(folder: Path) -> None:
    assert problems(folder, at_stage="[card.no]") == [
        "stage s: find names 'card.no', which is sealed; let the route find it, before it is"
    ]


def test_it_needs_a_ledger(folder: Path) -> None:
    assert problems(folder, ledger="") == [
        "route POST /a: find needs a ledger; add 'ledger: sqlite:var/ledger.db'",
        "stage s: find needs a ledger; add 'ledger: sqlite:var/ledger.db'",
    ]
