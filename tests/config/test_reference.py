"""docs/pipeline-yaml.md: it names every key with its default, and its examples load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.config import grammar
from tests.config.defaults import DEFAULTS
from tests.config.files import problems_of

PAGE = (Path(__file__).parent.parent.parent / "docs/pipeline-yaml.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ROWS = dict(re.findall(r"^\| `([^`]+)` \| .+ \| (.*?) ?\|$", PAGE, re.MULTILINE))
"""Key → what the page says of its default."""

NAMED = {"#/$defs/retry": "retry", "#/$defs/publish": "publish", "#/$defs/destination": "publish.to"}
"""What is written in several places and documented once."""


def keys(schema: Any, trail: str) -> Iterator[tuple[str, Any]]:
    """Every key that the grammar knows, dotted, and its schema."""
    target: Any = schema
    for step in schema.get("$ref", "").split("/")[1:]:
        target = grammar.grammar() if target is schema else target
        target = target[step]
    trail = NAMED.get(schema.get("$ref"), trail)
    for name, member in target.get("properties", {}).items():
        path = f"{trail}.{name}".removeprefix(".")
        yield path, member
        yield from keys(member, path)
    for keyword, suffix in (("additionalProperties", ".*"), ("items", ""), ("then", ""), ("else", "")):
        if isinstance(target.get(keyword), dict):
            yield from keys(target[keyword], trail + suffix)


KEYS = dict(keys(grammar.grammar(), ""))


def test_the_page_names_every_key_and_no_other() -> None:
    assert sorted(ROWS) == sorted(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_page_names_the_default_of_each_key(key: str) -> None:
    if key in DEFAULTS:
        default = str(DEFAULTS[key]).lower() if isinstance(DEFAULTS[key], bool) else DEFAULTS[key]
        assert ROWS[key].startswith(f"`{default:g}`" if isinstance(default, float) else f"`{default}`")
    else:
        assert not ROWS[key].startswith("`")


def test_the_grammar_names_the_models_defaults_and_no_other() -> None:
    named = {
        key: schema["default"] for key, schema in ((key, resolved(KEYS[key])) for key in KEYS) if "default" in schema
    }
    assert named == DEFAULTS


def resolved(schema: Any) -> dict[str, Any]:
    """A schema with what it refers to; its own words win."""
    target: Any = grammar.grammar() if "$ref" in schema else {}
    for step in schema.get("$ref", "").split("/")[1:]:
        target = target[step]
    return {**target, **schema}


def test_required_keys_are_said_to_be_so() -> None:
    required = {"queues", "http.routes", "http.routes.*.publish", "exchanges.*.type", "queues.*.bind.exchange"}
    required |= {"stages.*.consume", "stages.*.handler", "publish.to", "publish.to.exchange", "ledger.url"}
    required |= {"http.routes.*.verify.secrets", "http.tls.certificate", "http.tls.key"}
    required |= {"console.tls.certificate", "console.tls.key", "console.tokens.*.hash"}
    required |= {"alerts.mail.to", "alerts.mail.settings", "alerts.webhook.url"}
    assert {key for key, default in ROWS.items() if default == "required"} == required


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_loads(example: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "order.json").write_text("true")
    (folder / "shop.py").write_text("def ship(message): ...\ndef sort(message): ...\ndef report(message): ...\n")
    assert [problem for problem in problems_of(example) if problem.severity == "error"] == []
