"""`runner new`: writes a pipeline to start from, which runs as it is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath

import click

from runner.errors import RunnerError

EXAMPLES = ("hello", "payments")
"""Each is a folder of `runner/starter/`."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--example",
    type=click.Choice(EXAMPLES),
    default="hello",
    show_default=True,
    help="Which pipeline: the small one, or the whole payment pipeline.",
)
def new(folder: Path, example: str) -> None:
    """Write a pipeline into FOLDER, to start from."""
    written = write_example(folder, example)
    click.echo(f"wrote {', '.join(str(file) for file in written)}")
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"next: {there}runner run")


class StarterError(RunnerError):
    """The folder can't be written to, or already has such a file."""


def write_example(folder: Path, example: str) -> list[Path]:
    """Copy the files of `example` into `folder`. Returns the paths written, in order.

    Overwrites nothing: raises StarterError if one of them already exists.
    """
    source = files("runner.starter") / example
    if not (source / "pipeline.yaml").is_file():  # built from a part of the repository, as our container image is
        raise StarterError(f"the example {example} is left out of this installation")
    contents = {folder / path: file for path, file in _files(source, PurePath())}
    if existing := [target for target in contents if target.exists()]:
        raise StarterError(f"{existing[0]} already exists; name a new folder")
    try:
        for target, file in contents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    except OSError as error:
        raise StarterError(f"can't write to {folder}: {error.strerror}") from error
    return list(contents)


def _files(folder: Traversable, path: PurePath) -> Iterator[tuple[PurePath, Traversable]]:
    """The files in `folder`, each with its path there. In a checkout some are links."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _files(entry, path / entry.name)
        else:
            yield path / entry.name, entry
