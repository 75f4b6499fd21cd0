"""`runner show`: the file with every default filled in, or a drawing of it.

Left out: writing it out (see `config.written`), and drawing it (see `drawing` and `mermaid`).
"""

from __future__ import annotations

from pathlib import Path

import click

from runner.commands.drawing import graph_text
from runner.commands.loading import PIPELINE, load_and_warn
from runner.commands.mermaid import graph_mermaid
from runner.config.written import written


@click.command()
@PIPELINE
@click.option("--graph", is_flag=True, help="Draw the pipeline instead.")
@click.option("--mermaid", is_flag=True, help="Draw the pipeline as Mermaid, for documents.")
def show(pipeline: Path, graph: bool, mermaid: bool) -> None:
    """Show the file with every default filled in, and its retry tables."""
    loaded = load_and_warn(pipeline)
    draw = graph_mermaid if mermaid else graph_text if graph else written
    click.echo(draw(loaded), nl=False)
