"""The command line that the embedded peers share; each works in the current folder.

python -m bench.peers.NAME fill N    put N payments onto its queue
python -m bench.peers.NAME run N     take N payments through both hops; notes the time in `clock`
python -m bench.peers.NAME left      print how many messages are still queued
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.clock import Clock

CLOCK = Path("clock")


def main(fill: Callable[[int], None], run: Callable[[Clock], None], left: Callable[[], int]) -> None:
    """`run` works until the process is asked to end."""
    match sys.argv[1:]:
        case ["fill", number]:
            fill(int(number))
        case ["run", number]:
            run(Clock(CLOCK, int(number)))
        case ["left"]:
            print(left())
        case _:
            sys.exit(__doc__)
