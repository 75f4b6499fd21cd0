"""`runner new`: writes a small pipeline of one's own to start from, which runs as it is."""

from __future__ import annotations

import shlex
from importlib.resources import as_file, files
from pathlib import Path

import click

from runner.errors import RunnerError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Write a small pipeline into FOLDER, to start from."""
    written = write(folder)
    click.echo(f"wrote {', '.join(str(file) for file in written)}")
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"next: {there}runner run")


class StarterError(RunnerError):
    """The folder can't be written to, or something stands there already."""


def write(folder: Path) -> list[Path]:
    """Copy the starter's files into `folder`; the paths written, in order.

    Overwrites nothing: raises StarterError where one of them exists already.
    """
    with as_file(files("runner.starter") / "files") as source:
        wanted = [file for file in sorted(source.rglob("*")) if file.is_file() and file.suffix != ".pyc"]
        targets = {file: folder / file.relative_to(source) for file in wanted}
        if existing := [target for target in targets.values() if target.exists()]:
            raise StarterError(f"{existing[0]} exists already; name a new folder")
        try:
            for file, target in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        except OSError as error:
            raise StarterError(f"can't write to {folder}: {error.strerror}") from error
    return list(targets.values())
