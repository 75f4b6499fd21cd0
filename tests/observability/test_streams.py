"""Standard streams that are closed, full or in a small encoding, as real programs meet them."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.observability import streams
from tests.system.program import Program
from tests.waiting import TIMEOUT, wait_until

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "pipeline.yaml"
PRINTING = """
name: printing
broker: "BROKER"
http: {listen: "127.0.0.1:PORT", routes: {POST /work: {publish: first}}}
queues: {first: {schema: body.json}}
stages: {one: {consume: first, handler: "printing:tell", retry: {attempts: 1}}}
"""
HANDLER = """
import os, sys
from pathlib import Path
def tell(message):
    stream = getattr(sys, os.environ["STREAM"])
    print("a payment" * 10_000, flush=True, file=stream)
    print("and more", file=stream)
    Path("printed").touch()
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")


def shown(encoding: str) -> bytes:
    command = [sys.executable, "-m", "runner", "show", "--graph", str(PIPELINE)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, check=True, env=environment).stdout


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp437"])
def test_an_encoding_without_a_character_gets_a_plainer_one(encoding: str) -> None:
    drawn = shown(encoding).decode(encoding)
    assert "\\u" not in drawn
    assert "(payment_queue)  payment.json" in drawn
    assert re.sub(r"\S", "x", drawn) == re.sub(r"\S", "x", shown("utf-8").decode())


@pytest.mark.parametrize(
    "redirections", [">&-", "2>&-", "<&- >&- 2>&-", pytest.param(">/dev/full 2>/dev/full", marks=LINUX)]
)
def test_a_run_goes_on_and_ends_in_order_whatever_becomes_of_what_it_says(redirections: str, tmp_path: Path) -> None:
    program = Program(tmp_path, f"embedded:{tmp_path}/broker.db")
    command = f'exec "$@" {redirections}'
    process = subprocess.Popen(
        ["sh", "-c", command, "sh", sys.executable, "-m", "runner", "run"], cwd=tmp_path, env=program.environment()
    )
    try:
        wait_until(lambda: serves(program))
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()


def serves(program: Program) -> bool:
    try:
        return program.request("GET", "/health/ready").status == 200
    except OSError:
        return False


def test_no_file_of_the_run_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    source = (
        "from runner.observability.streams import prepare; prepare(); open('n', 'w').write(str(open('x').fileno()))"
    )
    (tmp_path / "x").touch()
    subprocess.run(["sh", "-c", f'{sys.executable} -c "{source}" <&- >&- 2>&-'], cwd=tmp_path, check=True)
    assert int((tmp_path / "n").read_text()) > 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">&-", "bad file descriptor"), pytest.param(">/dev/full", "no space left on device", marks=LINUX)],
)
@pytest.mark.parametrize("command", ["show PIPELINE", "schema", "check PIPELINE", "--help"])
def test_a_command_that_cannot_write_says_so_in_one_line(
    command: str, redirection: str, reason: str, unbuffered: str
) -> None:
    words = command.replace("PIPELINE", str(PIPELINE)).split()
    shell = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "runner", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(shell, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, f"runner: the output can't be written: {reason}\n")


def test_a_command_whose_reader_has_gone_ends_without_a_word() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "runner", "show", str(PIPELINE)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("reader", "stream", "unbuffered"),
    [
        ("has gone", "stdout", ""),
        ("has gone", "stderr", "1"),
        ("is asleep", "stdout", "1"),
        ("is asleep", "stderr", ""),
    ],
)
def test_what_a_handler_prints_when_nobody_reads_fails_no_message_and_holds_up_none(
    reader: str, stream: str, unbuffered: str, tmp_path: Path
) -> None:
    program = Program(tmp_path, f"embedded:{tmp_path}/broker.db", PRINTING)
    (tmp_path / "printing.py").write_text(HANDLER)
    environment = {**program.environment(), "PYTHONUNBUFFERED": unbuffered, "STREAM": stream}
    command = [sys.executable, "-m", "runner", "run"]
    read, write = os.pipe()
    given: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: write}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, **given)
    os.close(write)
    if reader == "has gone":
        os.close(read)
    try:
        wait_until(lambda: serves(program))
        assert program.post({"n": 1}).status == 202
        wait_until(lambda: (tmp_path / "printed").exists() or program.depths()["first"].dead)
        assert (tmp_path / "printed").exists()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()
        if reader == "is asleep":
            os.close(read)


def test_a_reader_that_wakes_up_gets_what_is_written_from_then_on() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    patient: Any = streams._Patient(write)
    stream = io.TextIOWrapper(patient, write_through=True)
    stream.write("lost" * 50_000)
    stream.write("too late")
    lost = os.read(read, 1_000_000)
    stream.write("heard")
    assert lost == (b"lost" * 50_000)[: len(lost)]
    assert os.read(read, 1_000_000) == b"heard"
    stream.close()
    os.close(read)
    os.close(write)
