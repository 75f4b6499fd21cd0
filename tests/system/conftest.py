"""The programs of the system tests: on the embedded broker and on RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.program import PIPELINE, Program

Start = Callable[..., Program]


@pytest.fixture(params=["embedded", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh broker: a new file, or a new virtual host."""
    if request.param == "embedded":
        return f"embedded:{tmp_path / 'broker.db'}"
    url: str = request.getfixturevalue("vhost_url")
    return url


@pytest.fixture
def prepare(tmp_path: Path, broker_url: str) -> Iterator[Start]:
    """Make a program that is not started yet; all of them are stopped afterwards."""
    made: list[Program] = []

    def make(pipeline: str = PIPELINE, *, broker: str = broker_url) -> Program:
        folder = tmp_path / f"program-{len(made)}"
        folder.mkdir()
        made.append(Program(folder, broker, pipeline))
        return made[-1]

    yield make
    for program in made:
        program.stop()


@pytest.fixture
def program(prepare: Start) -> Program:
    """The usual two stages, up and running."""
    running = prepare()
    running.start()
    return running
