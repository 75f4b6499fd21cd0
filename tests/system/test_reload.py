"""`runner reload`, SIGHUP and `--watch`: a run takes its file as it is now."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.system.conftest import Start
from tests.system.program import PIPELINE, Program
from tests.waiting import TIMEOUT, wait_until

OWN_PIPELINE = """
name: test
broker: "BROKER"
http: {listen: "127.0.0.1:PORT", routes: {POST /work: {publish: first}}}
queues: {first: {schema: body.json}}
stages: {one: {consume: first, handler: "own:take"}}
"""
OWN = """
from pathlib import Path

def take(message):
    with (Path(__file__).parent / "seen").open("a") as seen:
        seen.write("ANSWER ")
"""


RELOADS = 4


def reload(program: Program) -> tuple[int, str, str]:
    """`runner reload`: exit status, standard output and error."""
    command = [sys.executable, "-m", "runner", "reload"]
    done = subprocess.run(
        command, cwd=program.folder, env=program.environment(), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def edit(program: Program, *changes: tuple[str, str]) -> None:
    pipeline = PIPELINE
    for old, new in changes:
        assert old in pipeline
        pipeline = pipeline.replace(old, new)
    program.write(pipeline)


class Clients:
    """Some that keep their connection and post one number after the other, and some that connect anew for each."""

    def __init__(self, port: int, keeping: int = 2, connecting: int = 2) -> None:
        self._port = port
        self._over = threading.Event()
        self._numbers = itertools.count()
        self.accepted: list[int] = []
        self.refused: list[str] = []
        kinds = [True] * keeping + [False] * connecting
        self._threads = [threading.Thread(target=self._post, args=(kept,)) for kept in kinds]
        for thread in self._threads:
            thread.start()

    def _post(self, kept: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
        while not self._over.is_set():
            n = next(self._numbers)
            try:
                connection.request("POST", "/work", json.dumps({"n": n}), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.refused.append(repr(error))
                connection.close()
                continue
            if answer.status == 202:
                self.accepted.append(n)
            else:
                self.refused.append(str(answer.status))
            if not kept:
                connection.close()
        connection.close()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_only_what_has_changed_is_replaced(program: Program) -> None:
    assert reload(program) == (0, f"process {program.pid} is reloaded; nothing that runs has changed\n", "")
    edit(program, ("concurrency: 2", "concurrency: 3"))
    status, said, _ = reload(program)
    assert (status, said) == (0, f"process {program.pid} is reloaded; replaced: worker; unchanged: intake\n")
    edit(program, ("concurrency: 2", "concurrency: 3"), ("POST /work", "POST /more"))
    _, said, _ = reload(program)
    assert said.endswith("; replaced: intake; unchanged: worker\n")
    assert program.post({"n": 1}, "/more").status == 202
    assert program.post({"n": 1}).status == 404
    program.wait_done([1])


def test_how_long_a_request_may_take_is_changed_in_a_run(program: Program) -> None:
    edit(program, ("  routes:", "  request_timeout: 3s\n  routes:"))
    assert reload(program)[1].endswith("; replaced: intake; unchanged: worker\n")
    assert program.post({"n": 1}).status == 202


def test_a_file_that_is_wrong_is_refused_and_the_run_goes_on_as_it_was(program: Program) -> None:
    edit(program, ("concurrency: 2", "concurency: 3"))
    status, said, error = reload(program)
    assert (status, said) == (1, "")
    assert "unknown key 'concurency' (did you mean 'concurrency'?)\n" in error
    assert error.endswith(f"process {program.pid} is not reloaded; it goes on as it was\n")
    assert "pipeline.yaml is not reloaded; what runs goes on as it was" in program.log
    program.post({"n": 1})
    program.wait_done([1])


def test_what_does_not_start_is_given_up_and_the_run_goes_on_as_it_was(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        edit(program, ("127.0.0.1:PORT", f"127.0.0.1:{port}"))
        _, _, error = reload(program)
    assert f"can't listen on 127.0.0.1:{port}: address already in use" in error
    assert program.post({"n": 1}).status == 202
    program.wait_done([1])


@pytest.mark.parametrize("line", ["raise ValueError('half written')", "import os; os._exit(3)"])
def test_code_that_fails_when_it_is_imported_harms_nothing(prepare: Start, line: str) -> None:
    program = _with_own_handler(prepare)
    (program.folder / "own.py").write_text(f"{line}\n{OWN}")
    status, _, error = reload(program)
    assert status == 1
    assert "half written" in error or "with exit status 3" in error
    program.post({"n": 1})
    wait_until(lambda: _seen(program) == "ANSWER ")


def test_changed_code_is_taken(prepare: Start) -> None:
    program = _with_own_handler(prepare)
    (program.folder / "own.py").write_text(OWN.replace("ANSWER", "longer answer"))
    assert reload(program)[0] == 0
    program.post({"n": 1})
    wait_until(lambda: _seen(program) == "longer answer ")


def test_a_watching_run_takes_a_change_by_itself(prepare: Start) -> None:
    program = _with_own_handler(prepare, "--watch")
    (program.folder / "own.py").write_text(OWN.replace("ANSWER", "longer answer"))
    wait_until(lambda: "pipeline.yaml is reloaded; replaced: worker; unchanged: intake" in program.log)
    (program.folder / "body.json").write_text('{"type": "object", "required": ["m"]}')
    wait_until(lambda: "pipeline.yaml is reloaded; replaced: intake, worker" in program.log)
    assert program.post({"n": 1}).status == 422


def test_a_handler_at_work_is_not_hurried(prepare: Start) -> None:
    """It may take longer than the shutdown timeout, which is for the end of a run."""
    program = prepare(PIPELINE.replace("shutdown_timeout: 10s", "shutdown_timeout: 100ms"))
    program.start()
    program.post({"n": 1, "do": {"one": "wait_for go"}})
    wait_until(lambda: bool(program.notes))
    program.write(PIPELINE.replace("concurrency: 2", "concurrency: 3"))
    assert reload(program)[0] == 0
    program.post({"n": 2})
    program.wait_done([2])
    (program.folder / "go").touch()
    program.wait_done([1])
    assert [note.attempt for note in program.notes if note.stage == "one" and note.n == 1] == [1]


def test_nothing_is_lost_or_refused_in_reloads_under_load(program: Program) -> None:
    clients = Clients(program.port)
    try:
        for turn in range(RELOADS):
            changed = (
                ("concurrency: 2", f"concurrency: {turn + 3}"),
                ("confirm_timeout: 60s", f"confirm_timeout: {turn + 61}s"),
            )
            edit(program, *changed)
            assert reload(program) == (0, f"process {program.pid} is reloaded; replaced: intake, worker\n", "")
    finally:
        clients.stop()
    assert not clients.refused
    program.wait_done(clients.accepted)
    program.wait_settled()


def test_processes_that_were_replaced_end(program: Program) -> None:
    edit(program, ("concurrency: 2", "concurrency: 3"), ("confirm_timeout: 60s", "confirm_timeout: 61s"))
    before = _children(program)
    reload(program)
    wait_until(lambda: not before & _children(program))
    assert program.stop() == 0


def test_an_intake_that_was_replaced_ends_though_a_client_keeps_its_connection(prepare: Start) -> None:
    """It counts its connections ten times a second, and nothing may pile up by that."""
    pipeline = PIPELINE.replace("  routes:", "  request_timeout: 4s\n  routes:")
    program = prepare(pipeline)
    program.start()
    before = _children(program)
    with socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT):
        program.write(pipeline.replace("confirm_timeout: 60s", "confirm_timeout: 61s"))
        assert reload(program)[1].endswith("; replaced: intake; unchanged: worker\n")
        wait_until(lambda: len(before & _children(program)) == 1)  # the worker has not changed
    assert "Too many open files" not in program.log
    assert program.post({"n": 1}).status == 202


def test_a_run_whose_terminal_is_closed_ends(prepare: Start) -> None:
    program = prepare()
    parent, child = os.openpty()
    command = [sys.executable, "-m", "runner", "run"]
    with (program.folder / "log").open("ab") as log:
        run = subprocess.Popen(
            command,
            cwd=program.folder,
            env=program.environment(),
            stdin=child,
            stderr=log,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - the test has no threads
        )
    try:
        wait_until(lambda: "is up after" in program.log)
        os.kill(run.pid, signal.SIGHUP)
        wait_until(lambda: "is reloaded" in program.log)
        os.close(child)
        os.close(parent)
        assert run.wait(TIMEOUT) == 0
    finally:
        run.kill()
        run.wait()


def test_without_a_run_it_says_so(prepare: Start) -> None:
    program = prepare()
    assert reload(program) == (
        1,
        "",
        "runner: no run of pipeline.yaml was found on this machine; start it: runner run pipeline.yaml\n",
    )


def _with_own_handler(prepare: Start, *arguments: str) -> Program:
    program = prepare(
        PIPELINE.replace("tests.system.handlers:Step\n    settings: {stage: one, folder: .}", "own:take").replace(
            "    publish: second\n", ""
        )
    )
    (program.folder / "own.py").write_text(OWN)
    program.start(*arguments)
    return program


def _seen(program: Program) -> str:
    seen = program.folder / "seen"
    return seen.read_text() if seen.exists() else ""


def _children(program: Program) -> set[int]:
    listed = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text()
    return {int(pid) for pid in listed.split()}


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
