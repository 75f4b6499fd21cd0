"""python -m tests.chaos: pay all the while, let things go wrong, and account for every payment.

Exit status 0: each payment was answered 202 at last, was charged exactly once where it is paid and not
at all otherwise, by the gateway's own log, and its payer has exactly one mail. (One that came
twice, with the same Message-ID, is counted: the relay's answer was lost.) 1: what isn't so is
listed. All that was started is ended, however this ends.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from bench.postgres_node import HOW_TO_GET_IT as HOW_TO_GET_POSTGRESQL
from bench.postgres_node import server_programs
from bench.rabbitmq_node import HOW_TO_GET_IT, server_script
from tests.chaos.accounting import complaints, outstanding, summary
from tests.chaos.brokers import ground
from tests.chaos.house import House, wait
from tests.chaos.ledgers import ledger as ledger_ground
from tests.chaos.payers import Payers
from tests.chaos.troubles import World, trouble
from tests.waiting import wait_until

CALM = (0.5, 4.0)
"""Seconds between two troubles, from and to."""
SETTLING = 180.0
"""Seconds in which every payment has to come to its end once nothing goes wrong any more."""
MOST_LISTED = 50
"""Complaints."""
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
@click.option("--ledger", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--minutes", type=click.FloatRange(0.05, 600), default=2.0, show_default=True)
@click.option("--payments", type=click.IntRange(1), help="So many payments, instead of minutes.")
@click.option("--seed", type=int, help="Repeats what a run with this seed has done.  [default: a new one]")
def main(broker: str, ledger: str, minutes: float, payments: int | None, seed: int | None) -> None:
    """Let things go wrong under the shipped pipeline for some time, and account for every payment."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is ended on the way out
    if broker != "embedded" and server_script() is None:
        raise click.ClickException(HOW_TO_GET_IT)
    if ledger == "postgresql" and server_programs() is None:
        raise click.ClickException(HOW_TO_GET_POSTGRESQL)
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    span = f"--payments {payments}" if payments else f"--minutes {minutes:g}"
    click.echo(f"to repeat it: python -m tests.chaos --broker {broker} --ledger {ledger} {span} --seed {seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        wrong = _run(broker, ledger, Path(folder), payments or minutes * 60, payments is not None, random.Random(seed))
    sys.exit(1 if wrong else 0)


def _run(broker: str, ledger: str, folder: Path, span: float, spans_payments: bool, chance: random.Random) -> list[str]:
    """What is wrong. `span` is in seconds, or in payments."""
    with ground(broker, folder) as below, ledger_ground(ledger, folder) as beside:
        house = House(folder, below.url, below.outside, beside.url)
        diary = Diary()
        payers = Payers(house.port)

        def is_over() -> bool:
            return (payers.accepted if spans_payments else diary.seconds) >= span

        try:
            _live(World(house, below, beside), payers, chance, diary, is_over)
            wrong = _account(house, payers, diary)
        except BaseException:
            click.echo(house.log()[-SHOWN:])
            raise
        finally:
            house.stop()
    if wrong:
        click.echo(house.log()[-SHOWN:])
    return wrong


def _live(world: World, payers: Payers, chance: random.Random, diary: Diary, is_over: Callable[[], bool]) -> None:
    """Until it is over and everybody who wanted to pay was answered 202."""
    world.house.start()
    payers.start()
    wait_until(lambda: payers.accepted)
    while not is_over():
        wait(chance.uniform(*CALM))
        diary.say(trouble(world, chance)(world, chance))
        world.house.start()
    payers.stop()
    world.house.resume()

    def all_are_answered() -> bool:
        world.house.start()  # the last trouble may have been a stop that took its time
        return not payers.busy

    try:
        wait_until(all_are_answered, timeout=SETTLING)
    except AssertionError:
        diary.say("somebody is still not answered 202")
    diary.say(f"it is over; the payers were answered {dict(payers.answers)}")


def _account(house: House, payers: Payers, diary: Diary) -> list[str]:
    """Wait until every payment has come to its end; what is wrong then."""
    payments, deadline = list(payers.payments), time.monotonic() + SETTLING
    while outstanding(payments, house.books()) and time.monotonic() < deadline:
        house.start()  # a supervisor that was killed last may have ended only now
        wait(1)
    books = house.books()
    wrong = complaints(payments, books)
    diary.say(summary(payments, books))
    for complaint in wrong[:MOST_LISTED]:
        click.echo(f"wrong: {complaint}")
    diary.say(f"{len(wrong)} complaints" if wrong else "every payment is accounted for")
    return wrong


if __name__ == "__main__":
    main()
