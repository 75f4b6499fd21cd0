"""Where the program begins, as `runner` and as `python -m runner`. Left out: the commands (see `cli`)."""

from __future__ import annotations

import signal


def main() -> None:
    """Until the commands are there, Ctrl-C ends the program in silence: else a traceback would tell which module was
    just being imported. A program that is started with SIGINT ignored goes on ignoring it."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from runner.cli import main

    signal.signal(signal.SIGINT, before)
    main()


if __name__ == "__main__":
    main()
