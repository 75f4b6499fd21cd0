"""`runner token`: makes a token whose hash the file takes."""

from __future__ import annotations

from pathlib import Path

import yaml

from runner.config.loader import load
from runner.console.access import Access
from tests.commands.prompt import run


def test_what_is_printed_goes_into_the_file_and_opens_the_console(tmp_path: Path) -> None:
    result = run("token", "ada", "--role", "operator", "--role", "revealer")
    made, _, entry = result.output.splitlines()
    text = f"console:\n  tokens:\n  {entry}\nqueues: {{a: {{}}}}\n"
    (tmp_path / "pipeline.yaml").write_text(text)
    console = load(tmp_path / "pipeline.yaml", environ={}).pipeline.console
    assert console is not None
    person = Access(console, production=True).person("", made)
    assert person is not None
    assert person.name == "ada"
    assert sorted(person.roles) == ["operator", "revealer"]
    assert made not in text


def test_without_a_role_its_owner_looks_only() -> None:
    entry = yaml.safe_load(run("token", "bob").output.splitlines()[2])
    assert entry["bob"]["roles"] == ["viewer"]


def test_a_name_that_the_file_would_not_take_is_refused() -> None:
    result = run("token", "no name")
    assert result.exit_code == 2
    assert "a name has 1 to 64 letters" in result.output
