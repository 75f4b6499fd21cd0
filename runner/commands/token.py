"""`runner token`: makes a token for the console, and what the pipeline's file says of it.

Left out: what the roles may do (see `runner.console.access`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

import click

from runner.console.access import hash_of

PREFIX = "acklast_console_"
"""By which scanners of source code find a token that somebody has published."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
ROLES = ("viewer", "operator", "revealer")


@click.command()
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What its owner may do; may be repeated.  [default: viewer]",
)
def token(name: str, roles: Sequence[str]) -> None:
    """Make a token for the console, and print it.

    NAME is its owner's name. The token is kept nowhere: only its hash goes into the pipeline's file.
    """
    if not NAME.fullmatch(name):
        raise click.BadParameter("a name has 1 to 64 letters, digits, '.', '_', '@' and '-'")
    made = PREFIX + secrets.token_urlsafe(32)
    click.echo(made)
    allowed = list(dict.fromkeys(roles)) or ["viewer"]
    click.echo("write this into the pipeline, under console: tokens, and give the token to its owner:", err=True)
    click.echo(f'  {name}: {{roles: [{", ".join(allowed)}], hash: "{hash_of(made)}"}}', err=True)
