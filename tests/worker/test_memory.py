"""What a worker has for its pipeline's ledger, and that a pipeline without one pays nothing for it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from runner.events import Events, Failure
from runner.message import Delivery, Session
from runner.worker.memory import Note, Notes, ledger_of, memory_of
from tests.pipelines import loaded, write
from tests.worker.stages import PIPELINE

ROOT = Path(__file__).parents[2]
TEXT = PIPELINE.replace("HANDLER", "Noting")


def delivery(name: str = "m1") -> Delivery:
    return Delivery("work", name, b"{}", {}, 2, Session(), 1)


def test_without_a_ledger_there_is_no_memory(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path, TEXT).pipeline
    assert memory_of(pipeline) is None
    assert ledger_of(pipeline) is None


def test_a_memory_is_made_but_not_opened(tmp_path: Path) -> None:
    memory = memory_of(loaded(tmp_path, f"ledger: 'sqlite:{tmp_path / 'l.db'}'\n" + textwrap.dedent(TEXT)).pipeline)
    assert memory is not None
    assert memory.ledger.away == "it is not open yet"
    assert not (tmp_path / "l.db").exists()
    memory.ledger.close()


def test_a_run_without_a_ledger_imports_nothing_of_it(tmp_path: Path) -> None:
    routes = "\nhttp: {listen: '127.0.0.1:0', routes: {POST /work: {publish: work}}}\n"
    file = write(tmp_path, textwrap.dedent(TEXT) + routes)
    program = f"""
        import sys, urllib.request
        from pathlib import Path
        from runner import Engine, load
        import runner.intake.rsgi, runner.processes.children
        with Engine(load(Path({str(file)!r}))) as engine:
            headers = {{"Content-Type": "application/json", "Idempotency-Key": "k"}}
            urllib.request.urlopen(urllib.request.Request(engine.url + "/work", b"{{}}", headers)).close()
        names = {{module.partition(".")[0] for module in sys.modules}}
        assert not names & {{"sqlalchemy", "psycopg"}}, names
        modules = {{module for module in sys.modules if module.startswith("runner.ledger.")}}
        assert modules <= {{"runner.ledger.url"}}, modules
        assert not {{"runner.worker.journal", "runner.worker.once"}} & set(sys.modules)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stderr


def test_what_became_of_a_delivery_is_noted_until_it_is_taken() -> None:
    notes = Notes()
    events = Events([notes])
    handled, retried, dead = delivery("m1"), delivery("m2"), delivery("m3")
    assert events.handled is not None
    events.handled("one", handled, [], 0.1)
    events.retried("one", retried, Failure("the bank is away", 2, 5), 8.0)
    events.dead("one", dead, Failure("no such account", 2, 5))
    assert notes.take(handled) == Note("handled", "one", 2, seconds=0.1)
    assert notes.take(retried) == Note("waiting", "one", 2, "the bank is away", 8.0)
    assert notes.take(dead) == Note("dead", "one", 2, "no such account")
    assert [notes.take(each) for each in (handled, retried, dead)] == [None, None, None]


def test_of_two_reports_the_last_one_counts() -> None:
    """The broker has refused the result."""
    notes, refused = Notes(), delivery()
    notes.handled("one", refused, [], 0.1)
    notes.retried("one", refused, Failure("full", 2, 5), 8.0)
    taken = notes.take(refused)
    assert taken is not None
    assert taken.state == "waiting"
