"""The command line: puts the commands together, and prints an error as one clear line.

Exit statuses: 0 done, 1 problems, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from runner import __version__
from runner.commands.loading import print_problems
from runner.errors import ConfigError, RunnerError
from runner.observability import streams

COMMANDS = (
    *("run", "reload", "check", "show", "plan", "apply", "move", "send", "try"),
    *("status", "tap", "pause", "resume", "doctor"),
    *("dead", "queue", "find", "ledger", "apikeys", "keys", "token", "mail", "new", "schema"),
)
"""In the order in which help shows them; each is a module of `runner.commands`."""
_UNWRITABLE = (errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC)
"""What an output that is closed or full answers."""


class Commands(click.Group):
    """Imports a command only when it is called, so that no command pays for another's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = getattr(importlib.import_module(f"runner.commands.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _silent_when_interrupted():
            return super().make_context(*args, **kwargs)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        streams.prepare()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # to a reader that is gone, Click ends in silence
            if error.errno not in _UNWRITABLE:
                raise
            with streams.unheard():
                click.echo(f"runner: the output can't be written: {os.strerror(error.errno).lower()}", err=True)
            streams.let_go()
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _silent_when_interrupted():
                return super().invoke(ctx)
        except ConfigError as error:
            print_problems(error.problems)
            ctx.exit(1)
        except RunnerError as error:
            with streams.unheard():
                click.echo(f"runner: {error}", err=True)
            ctx.exit(1)


@contextmanager
def _silent_when_interrupted() -> Iterator[None]:
    """A command that Ctrl-C has ended has nothing to say: it dies of the signal, for which a shell shows 130."""
    try:
        yield
    except KeyboardInterrupt:
        streams.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Run a pipeline of queues, stages and HTTP routes that one YAML file declares.

    PIPELINE is that file, pipeline.yaml unless another one is named.
    """
