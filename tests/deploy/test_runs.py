"""Each place in deploy/ that starts the runner: what would break for a user who copies it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from runner.cli import main
from runner.config.loader import load
from runner.processes.supervisor import KILL_GRACE
from tests.deploy.runs import PAGE, Run, image_environment, runs, secret_paths
from tests.docs.pages import ROOT

SHIPPED = load(ROOT / "pipeline.yaml", environ={}).pipeline
VARIABLES = set(re.findall(r"\$\{(\w+)", (ROOT / "pipeline.yaml").read_text(encoding="utf-8")))
RUNS = [pytest.param(run, id=f"{run.file}: {run.where}") for run in runs()]


@pytest.mark.parametrize("run", RUNS)
def test_the_command_is_one_that_the_runner_takes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    name, *arguments = run.arguments
    command = main.get_command(click.Context(main), name)
    assert command is not None
    command.make_context(name, arguments)
    assert run.parts <= {"intake", *SHIPPED.stages}


def test_each_file_starts_every_part_but_the_mailbox() -> None:
    started: dict[str, set[str]] = {}
    for run in runs():
        started.setdefault(run.file, set()).update(run.parts)
    parts = {"intake", *SHIPPED.stages}
    assert started == {"compose.yaml": parts, "kubernetes.yaml": parts, "runner.service": parts}


@pytest.mark.parametrize("run", RUNS)
def test_every_variable_is_one_that_the_pipeline_has(run: Run) -> None:
    assert {name.removesuffix("_FILE") for name in run.environment} <= VARIABLES
    assert "LISTEN" in image_environment().keys() & VARIABLES


@pytest.mark.parametrize("run", RUNS)
def test_every_secret_is_a_file_that_is_mounted_and_that_the_page_says_how_to_make(run: Run) -> None:
    assert secret_paths(run.environment) == set(run.files)
    for name in run.files.values():
        variable = "`PIPELINE_KEYS`, as `file:PATH`" if name == "keys" else f"`{name.upper()}_FILE`"
        assert re.search(rf"^\| `{name}` \| .* \| {variable} \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("run", RUNS)
def test_the_pipeline_loads_with_what_is_given(run: Run, tmp_path: Path) -> None:
    secrets = {
        "broker_url": "amqp://u:hunter2@rabbitmq/v",
        "database_url": "postgresql://u:hunter2@db/v",
        "mail_password": "hunter2",
        "keys": "none",
    }
    for name in run.files.values():
        (tmp_path / name).write_text(secrets[name])
    environ = {
        name: str(tmp_path / run.files[value]) if value in run.files else value
        for name, value in run.environment.items()
    }
    assert load(ROOT / "pipeline.yaml", environ=environ).pipeline.broker == (secrets["broker_url"],)


@pytest.mark.parametrize("run", RUNS)
def test_stopping_may_take_as_long_as_the_runner_takes(run: Run) -> None:
    assert run.grace > SHIPPED.shutdown_timeout + KILL_GRACE
