"""What benchmarks need: a folder, a RabbitMQ node, a PostgreSQL server, compiled C programs. Each is made when it
is first used, and removed afterwards."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from bench import needs
from bench.postgres_node import HOW_TO_GET_IT as HOW_TO_GET_POSTGRESQL
from bench.postgres_node import PostgresNode, server_programs
from bench.rabbitmq import private_node
from bench.rabbitmq_node import HOW_TO_GET_IT, RabbitNode, server_script

C_SOURCES = Path(__file__).parent / "c"
LIBRARIES = {"limit": ["-lrabbitmq"]}


class Ground:
    """A context manager. A given `node` is used instead of a new one, and left running."""

    def __init__(self, node: RabbitNode | None = None) -> None:
        self._node = node
        self._postgres: PostgresNode | None = None
        self._stack = ExitStack()
        self._compiled: dict[str, Path] = {}
        self.root = Path(tempfile.mkdtemp(prefix="runner-bench-"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def node(self) -> RabbitNode:
        """The RabbitMQ node of this run. Raises MissingError if there is no RabbitMQ."""
        if self._node is None:
            needs.check([needs.Need("rabbitmq-server", lambda: server_script() is not None, HOW_TO_GET_IT)])
            self._node = self._stack.enter_context(private_node())
        return self._node

    @property
    def postgres(self) -> PostgresNode:
        """The PostgreSQL server of this run. Raises MissingError if there is none."""
        if self._postgres is None:
            found = needs.Need("postgres", lambda: server_programs() is not None, HOW_TO_GET_POSTGRESQL)
            needs.check([found])
            self._postgres = self._stack.enter_context(PostgresNode())
        return self._postgres

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder for one run of one contender."""
        path = Path(tempfile.mkdtemp(dir=self.root))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def compiled(self, name: str) -> Path:
        """The program of `bench/c/NAME.c`."""
        if name not in self._compiled:
            needs.check([needs.C_COMPILER])
            self._compiled[name] = self._compile(name, LIBRARIES.get(name, []))
        return self._compiled[name]

    def _compile(self, name: str, libraries: Sequence[str]) -> Path:
        program = self.root / name
        source = C_SOURCES / f"{name}.c"
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", program, source, *libraries], check=True)
        return program
