"""python -m tests.chaos: pay all the while, let things go wrong, and account for every payment.

Exit status 0: each payment that was answered with 202 has its mail, or is in the dead letters.
1: some are in neither, and are listed. All that was started is ended, however this ends.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import click

from bench.rabbitmq_node import HOW_TO_GET_IT, server_script
from tests.chaos.brokers import Ground, ground
from tests.chaos.house import House, wait
from tests.chaos.payers import Payers
from tests.chaos.troubles import troubles
from tests.waiting import wait_until

CALM = (0.5, 4.0)
"""Seconds between two troubles, from and to."""
SETTLING = 150.0
"""Seconds in which every payment has to come to its end once nothing goes wrong any more."""
SHOWN = 5000
"""Characters of the pipeline's log that are shown where something was lost."""


class Diary:
    """Says what happens, and when."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, line: str) -> None:
        click.echo(f"{self.seconds:7.1f} s  {line}")


@click.command()
@click.option("--broker", type=click.Choice(["embedded", "rabbitmq", "cluster"]), default="embedded", show_default=True)
@click.option("--minutes", type=click.FloatRange(0.05, 600), default=2.0, show_default=True)
@click.option("--seed", type=int, help="Repeats what a run with this seed has done.  [default: a new one]")
def main(broker: str, minutes: float, seed: int | None) -> None:
    """Let things go wrong under the shipped pipeline for some minutes, and account for every payment."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is ended on the way out
    if broker != "embedded" and server_script() is None:
        raise click.ClickException(HOW_TO_GET_IT)
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    click.echo(f"to repeat it: python -m tests.chaos --broker {broker} --minutes {minutes:g} --seed {seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        lost = _run(broker, Path(folder), minutes * 60, random.Random(seed))
    sys.exit(1 if lost else 0)


def _run(broker: str, folder: Path, seconds: float, chance: random.Random) -> set[str]:
    """What was lost."""
    with ground(broker, folder) as below:
        house = House(folder, below.url, below.outside)
        try:
            lost = _live(house, below, chance, seconds, Diary())
        except BaseException:
            click.echo(house.log()[-SHOWN:])
            raise
        finally:
            house.stop()
    if lost:
        click.echo(house.log()[-SHOWN:])
    return lost


def _live(house: House, below: Ground, chance: random.Random, seconds: float, diary: Diary) -> set[str]:
    house.start()
    payers = Payers(house.port)
    payers.start()
    wait_until(lambda: payers.accepted)
    end = diary.seconds + seconds
    while diary.seconds < end:
        wait(min(chance.uniform(*CALM), max(0.0, end - diary.seconds)))
        diary.say(troubles(below, chance)(house, below, chance))
        house.start()
    payers.stop()
    diary.say(f"it is over; the payers were answered {dict(payers.answers)}")
    house.resume()

    def is_taken() -> bool:
        house.start()  # the last trouble may have been a stop that took its time
        return payers.pay(0)

    wait_until(is_taken, timeout=SETTLING)
    diary.say("a payment is taken again")
    return _account(house, payers.accepted, diary)


def _account(house: House, accepted: set[str], diary: Diary) -> set[str]:
    """Wait until every payment is accounted for; those that are not."""
    with suppress(AssertionError):
        wait_until(lambda: accepted <= house.mailed() | house.dead(), timeout=SETTLING)
    mailed, dead = house.mailed() & accepted, house.dead() & accepted
    lost = accepted - mailed - dead
    diary.say(f"{len(accepted)} taken, {len(mailed)} mailed, {len(dead)} in the dead letters, {len(lost)} lost")
    for payment in sorted(lost):
        click.echo(f"lost: {payment}")
    return lost


if __name__ == "__main__":
    main()
