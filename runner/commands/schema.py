"""`runner schema`: prints the JSON Schema of pipeline files, for editors and other validators."""

from __future__ import annotations

import click

from runner.config.grammar import FILE


@click.command()
def schema() -> None:
    """Print the JSON Schema of pipeline files.

    Save it beside a pipeline for the editor: runner schema > pipeline.schema.json
    """
    click.echo(FILE.read_text(encoding="utf-8"), nl=False)
