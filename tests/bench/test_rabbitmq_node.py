"""A private RabbitMQ node: which server it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.rabbitmq_node import RabbitNode

ROOT = Path(__file__).parents[2]

PORT_MAPPER = f"""#!{sys.executable}
import pathlib, socket, sys
pathlib.Path(__file__).with_name("mapped").touch()
listener = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("-port") + 1])))
while True:
    listener.accept()
"""


def write_program(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o755)
    return file


def test_the_server_that_is_named_runs_with_the_port_mapper_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "epmd", PORT_MAPPER)
    write_program(tmp_path / "server", "#!/bin/sh\necho the named server, in $PWD\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RABBITMQ_SERVER", "./server")
    with pytest.raises(RuntimeError, match=r"the named server, in .*/runner-rabbitmq-"), RabbitNode():
        pass
    assert (tmp_path / "mapped").exists()


@pytest.mark.parametrize("named", ["/nowhere/rabbitmq-server", "./tests", "./README.md"])
def test_a_name_that_is_no_program_is_one_error_before_the_first_test(named: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_units.py"]
    environment = os.environ | {"RABBITMQ_SERVER": named}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.stderr == (
        f"ERROR: RABBITMQ_SERVER names {named!r}, which is no program."
        " Give it the path of a rabbitmq-server script, or unset it for the installed one.\n\n"
    )
    assert (result.stdout, result.returncode) == ("", pytest.ExitCode.USAGE_ERROR)
