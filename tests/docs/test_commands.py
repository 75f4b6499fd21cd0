"""docs/commands.md describes every command and every option, with its default, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from runner.cli import main
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## runner (\w+(?: \w+)?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command as it is typed: `run`, `dead show`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        elif command is not None:
            yield f"{before}{name}", command


COMMANDS = dict(commands(main))

ALSO_SAID = {("run", "--only"): "everything"}
"""Defaults that are nothing to Click, and have a word on the page."""


def options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def test_every_command_has_its_section_and_no_other() -> None:
    assert list(SECTIONS) == list(COMMANDS)


def test_the_page_begins_with_a_table_of_every_command_with_its_arguments() -> None:
    beginning = PAGE[: PAGE.index("\n## ")]
    told = re.findall(r"^\| `runner (.*?)` \|", beginning, re.MULTILINE)
    assert told == [f"{name} {_arguments(command)}".strip() for name, command in COMMANDS.items()]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_programs_read_is_asked_for_in_one_way(name: str) -> None:
    found = {option: one.type for one in options(COMMANDS[name]) for option in one.opts}
    assert "--json" not in found
    form = found.get("--format")
    assert form is None or (isinstance(form, click.Choice) and form.choices == ("text", "json"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_begins_with_the_commands_arguments(name: str) -> None:
    typed = f"runner {name} {_arguments(COMMANDS[name])}".strip()
    assert SECTIONS[name].lstrip().startswith(f"`{typed}` ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described_with_its_default_and_no_other(name: str) -> None:
    told = re.findall(r"^\| (`-.*?) \| .* \| (.*?) ?\|$", SECTIONS[name], re.MULTILINE)
    assert told == [_row(name, option) for option in options(COMMANDS[name])]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_choice_of_an_option_is_described(name: str) -> None:
    for option in options(COMMANDS[name]):
        for choice in option.type.choices if isinstance(option.type, click.Choice) else ():
            row = next(line for line in SECTIONS[name].splitlines() if f"`{option.opts[-1]}`" in line)
            assert f"`{choice}`" in row


def _row(name: str, option: click.Option) -> tuple[str, str]:
    default = (
        ""
        if option.is_flag or option.required or option.default in (None, ()) or option.multiple
        else f"`{option.default}`"
    )
    return ", ".join(f"`{word}`" for word in option.opts), ALSO_SAID.get((name, option.opts[-1]), default)


def _arguments(command: click.Command) -> str:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    names = [(argument.name or "").upper() for argument in arguments]
    return " ".join(name if argument.required else f"[{name}]" for name, argument in zip(names, arguments, strict=True))
