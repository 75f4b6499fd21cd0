"""A user who follows a section: makes its files, changes its pipeline, types its commands.

Everything is as on a user's machine except the ports and the broker's URL; both are put back
into the output, which can then be compared with the page.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

import pytest
import yaml

from bench.ports import free_port
from runner.privacy.redaction import hide_password
from tests.docs.pages import ROOT, Block, Command, commands
from tests.waiting import TIMEOUT, wait_until

RABBITMQ = "amqp://guest:guest@localhost:5672/%2F"
"""What the pages call RabbitMQ."""

_STARTS = re.compile(r"\b(make|runner) run\b")
_LOOKS = re.compile(
    r"runner (find|ledger|mail|status|dead list|dead show|queue peek)|cat |python -c |curl .*/(health|payments)/"
)
"""Commands that change nothing, and are repeated until they print what is shown: the
page's reader is slower than a test."""

_ID = re.compile(r"\b[0-9a-f]{32}\b")

_VARIES = [
    (re.compile(pattern, re.MULTILINE), word)
    for pattern, word in (
        (r"\b[0-9a-f]{32}\b", "<id>"),
        (r"\bsim_[a-z2-7]{24}\b", "<charge>"),
        (r"\bprocess \d+\b", "<process>"),
        (r"\bOrder [0-9a-f]{8}\b", "<reference>"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+Z)?)?", "<time>"),
        (r"\d{4}-\d\d-\d\d \(UTC\)", "<day>"),
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d (GMT|[+-]\d{4})", "<time>"),
        (r"\b\d\d:\d\d:\d\d\.\d{3}Z|^\d\d:\d\d:\d\d", "<time>"),
        (r"\b\d+ ms\b|\d+\.\d+ ?s\b", "<seconds>"),
        (r"(console +http://localhost:)\d+", r"\g<1>5001"),  # each run has another
        (r"\S*/var/mailbox/new/\S+", "<mail>"),
        (r"[ \t]+$", ""),
    )
]


class Session:
    """In `folder`, with a copy of what a checkout has. `rabbitmq` is the URL that stands for
    the pages' own. A context manager: at its end, what was started is stopped as by Ctrl-C,
    and has to end well."""

    def __init__(
        self, folder: Path, venv: Path, *, rabbitmq: str = "", variables: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder / "payments"
        self._accepted = ""
        """The id of the last message that the intake has accepted."""
        self._rabbitmq = rabbitmq
        self._port, self._mail_port = free_port(), free_port()
        self._state = folder
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._check_out(venv)
        (folder / "cwd").write_text(str(self.folder))
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        (folder / "environment").touch()
        self._environment = {**self._fresh_environment(venv), **(variables or {})}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        ended = [self._interrupt(process) for process, _ in self._running]
        if kind is None:
            assert set(ended) <= {0, -signal.SIGINT}, self.log  # -SIGINT is make's own end

    def _check_out(self, venv: Path) -> None:
        self.folder.mkdir()
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy2(ROOT / name, self.folder)
        for name in ("schemas", "stages"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / ".venv").symlink_to(venv)
        self._write_pipeline((ROOT / "pipeline.yaml").read_text())

    def _fresh_environment(self, venv: Path) -> dict[str, str]:
        theirs = ("MAIL_", "COLUMNS", "MAKE")  # what `make test` was told isn't told to the reader's make
        ours = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        ours |= {
            "CONSOLE": "127.0.0.1:0",
            "CURL_HOME": str(self._state),
            "LISTEN": f"127.0.0.1:{self._port}",
            "MAIL_PORT": str(self._mail_port),
            "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
            "STATE": str(self._state),
        }
        ours.pop("BROKER_URL", None)
        return ours

    # -- what the blocks say ----------------------------------------------------------------

    def follow(self, block: Block) -> None:
        """Do what `block` is for."""
        if block.language == "console":
            for command in commands(block):
                self._type(command)
        elif block.mark == "file":
            file = self.folder / block.argument
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.mark in ("pipeline", "change"):
            self._rewire(block)
        elif block.mark == "log":
            wait_until(lambda: re.search(_pattern(block.text), self._shown(self.log)))

    def _rewire(self, block: Block) -> None:
        if block.mark == "pipeline":
            self._write_pipeline(block.text)
        else:
            document = yaml.safe_load((self.folder / "pipeline.yaml").read_text())
            change(document, yaml.safe_load(block.text) or {}, block.argument)
            self._write_pipeline(yaml.safe_dump(document, sort_keys=False, width=1000))
        checked = self._run("runner check")
        assert checked.endswith(" queues)\n"), f"{checked}\n{block.text}"

    def _write_pipeline(self, text: str) -> None:
        (self.folder / "pipeline.yaml").write_text(self._with_own_mailbox(text))

    def _with_own_mailbox(self, text: str) -> str:
        return text.replace("listen: 127.0.0.1:1025", "listen: " + self._smtp)

    # -- what is typed ----------------------------------------------------------------------

    def _type(self, command: Command) -> None:
        text = self._meant(command.text)
        if _STARTS.search(text):
            self._start(text, command.output)
            return
        if text.startswith("make"):
            text = text.replace("make", "make --dry-run", 1)  # .ci/run makes the targets from a clean clone
        pattern = re.compile(_pattern(command.output))
        deadline = time.monotonic() + (TIMEOUT if _LOOKS.match(text) else 0)
        while not pattern.fullmatch(shown := self._shown(self._run(text))):
            if time.monotonic() > deadline:
                self._differs(command, shown)
        for written in self.folder.glob("*/pipeline.yaml"):  # by `runner new`
            written.write_text(self._with_own_mailbox(written.read_text()))

    def _start(self, text: str, output: str) -> None:
        output, stop, _ = output.partition("^C\n")
        log = self._state / f"log-{len(self._running)}"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self._script(text),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append((process, log))
        pattern, deadline = re.compile(_pattern(output)), time.monotonic() + TIMEOUT
        while not pattern.search(shown := self._shown(log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                self._differs(Command(text, output), shown)
            time.sleep(0.01)
        if stop:
            self._interrupt(process)

    def _interrupt(self, process: subprocess.Popen[bytes]) -> int:
        """Ctrl-C reaches everything that the terminal has in the foreground."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        try:
            return process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def _run(self, text: str) -> str:
        done = subprocess.run(
            self._script(text),
            check=False,  # how it ends is seen by what it prints
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT * 2,
        )
        shown = done.stdout.decode()
        if "202 Accepted" in shown and (found := _ID.search(shown)):
            self._accepted = found[0]
        return shown

    @staticmethod
    def _script(text: str) -> list[str]:
        """In the folder and with the variables that the command before has left."""
        before = 'cd "$(cat "$STATE/cwd")" && . "$STATE/environment"'
        after = 'status=$?; pwd > "$STATE/cwd"; export -p > "$STATE/environment"; exit $status'
        return ["bash", "-c", f"{before}\n{text}\n{after}"]

    @property
    def log(self) -> str:
        """What was printed by everything that was started."""
        return "".join(log.read_text() for _, log in self._running)

    def _differs(self, command: Command, shown: str) -> NoReturn:
        says = f"$ {command.text}\nis shown to print\n\n{command.output}\nbut prints\n\n{shown}"
        pytest.fail(f"{says}\nand what was started says\n\n{self.log}", pytrace=False)

    # -- from the page's machine to this one, and back ------------------------------------------

    @property
    def _smtp(self) -> str:
        return f"127.0.0.1:{self._mail_port}"

    def _meant(self, text: str) -> str:
        """A message that the page names by its id is the last one that the intake has accepted."""
        text = text.replace(RABBITMQ, self._rabbitmq).replace("localhost:5000", f"localhost:{self._port}")
        return _ID.sub(self._accepted, text) if self._accepted else text

    def _shown(self, text: str) -> str:
        places = {
            f"localhost:{self._port}": "localhost:5000",
            f"127.0.0.1:{self._port}": "127.0.0.1:5000",
            self._smtp: "127.0.0.1:1025",
            f"port: {self._mail_port}": "port: 1025",
        }
        if self._rabbitmq:
            places |= {self._rabbitmq: RABBITMQ, hide_password(self._rabbitmq): hide_password(RABBITMQ)}
        for here, there in places.items():
            text = text.replace(here, there)
        text = _without_what_varies(text.replace("\r\n", "\n"))
        return text if text.endswith("\n") or not text else f"{text}\n"


def change(document: dict[str, Any], entries: Mapping[str, Any], argument: str) -> None:
    """Put each of `entries` into the place of the one of its name, or add it; `argument`
    may be `without SECTION.NAME …`."""
    for path in argument.removeprefix("without ").split():
        section, _, name = path.partition(".")
        del document[section][name]
    for section, value in entries.items():
        if isinstance(value, dict):
            document.setdefault(section, {}).update(value)
        else:
            document[section] = value


def _pattern(output: str) -> str:
    lines = _without_what_varies(output).splitlines()
    return "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else r".*".join(map(re.escape, line.split("…"))) + r"\n" for line in lines
    )


def _without_what_varies(text: str) -> str:
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return text
