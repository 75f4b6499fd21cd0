"""What an editor shows of a pipeline file: the diagnostics of the YAML language server, which
Visual Studio Code and most others run. It is an npm package; the tests are skipped if its
command isn't on the path.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Self

import pytest
from click.testing import CliRunner

from runner.cli import main
from runner.commands.new import EXAMPLES

SERVER = shutil.which("yaml-language-server")
HOW_TO_GET_IT = "no yaml-language-server here. To run this: npm install --global yaml-language-server"
SETTINGS = {"yaml": {"validate": True, "schemaStore": {"enable": False}}}


class LanguageServer:
    """A server that one client talks to, by the Language Server Protocol."""

    def __init__(self, command: str) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([command, "--stdio"], **pipes)  # type: ignore[call-overload]
        self._to: IO[bytes] = self._process.stdin
        self._from: IO[bytes] = self._process.stdout
        self._send(id=1, method="initialize", params={"processId": None, "rootUri": None, "capabilities": {}})
        self._until(lambda message: message.get("id") == 1)
        self._send(method="initialized", params={})
        self._send(method="workspace/didChangeConfiguration", params={"settings": SETTINGS})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def diagnostics(self, file: Path) -> list[tuple[int, str]]:
        """The line, from 1, and the text of each, for a file that is opened."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": file.read_text()}
        self._send(method="textDocument/didOpen", params={"textDocument": document})
        told = self._until(lambda message: message.get("params", {}).get("uri") == document["uri"])
        return [(one["range"]["start"]["line"] + 1, one["message"]) for one in told["params"]["diagnostics"]]

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._to.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._to.flush()

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not wanted(message := self._receive()):
            if "id" in message and "method" in message:  # it asks; nothing that it could ask for matters here
                self._send(id=message["id"], result=None)
        return message

    def _receive(self) -> dict[str, Any]:
        length = 0
        while line := self._from.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server has ended"
        message: dict[str, Any] = json.loads(self._from.read(length))
        return message


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    if SERVER is None:
        pytest.skip(HOW_TO_GET_IT)
    with LanguageServer(SERVER) as server:
        yield server


@pytest.fixture(params=EXAMPLES)
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """What `runner new` writes, with the schema that its first line names."""
    CliRunner().invoke(main, ["new", "--example", request.param, str(tmp_path / "mine")])
    return tmp_path / "mine" / "pipeline.yaml"


def test_it_finds_nothing_wrong_with_what_runner_new_writes(server: LanguageServer, file: Path) -> None:
    assert server.diagnostics(file) == []


def test_it_words_a_mistake_as_runner_check_does(server: LanguageServer, file: Path) -> None:
    text = file.read_text().replace("listen: ${LISTEN:-127.0.0.1:5000}", "listen: nowhere")
    file.write_text(text)
    line = 1 + text[: text.index("listen: nowhere")].count("\n")
    [(at, message)] = server.diagnostics(file)
    assert at == line
    assert message.startswith("must be host:port, such as 127.0.0.1:5000 (this machine only)")
