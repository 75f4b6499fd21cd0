"""The wheel, built and installed elsewhere: it has all of the runner, nothing else, and a
user's own modules go first."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.http_client import Client
from tests.waiting import TIMEOUT, wait_until

ROOT = Path(__file__).parents[1]
SOURCES = (
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "pipeline.schema.json",
    "pipeline.yaml",
    "runner",
    "schemas",
    "stages",
)

PIPELINE = """
broker: embedded:broker.db
queues: {payments: {}}
stages:
  validate:
    consume: payments
    handler: stages.validate_payment:ValidatePayment
    settings: {ledger: ledger}
"""
MINE = """
class ValidatePayment:
    def __init__(self, *, ledger: str) -> None:
        self.ledger = ledger

    def __call__(self, message) -> None:
        with open(self.ledger, "w") as file:
            file.write(message.body["user"])
"""
THEIRS = """
class ValidatePayment:
    def __init__(self, *, ledger: str) -> None: ...

    def __call__(self, message) -> None: ...
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the checkout: the build leaves files behind."""
    copy, built = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True)
        else:
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", built, copy], check=True)
    [wheel] = built.glob("acklast-*.whl")
    return wheel


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `runner` in a virtual environment that has the wheel, and another distribution
    that brings a package `stages`; the wheel's dependencies are those of this session."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "--python", folder / "bin/python", "install", "--no-deps", wheel], check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "session.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    (site / "stages").mkdir()
    (site / "stages/__init__.py").touch()
    (site / "stages/validate_payment.py").write_text(THEIRS)
    return folder / "bin/runner"


def run(command: Path, *arguments: str, folder: Path, stdin: str | None = None) -> str:
    """What the command prints; it has to end well."""
    done = subprocess.run(
        [command, *arguments], check=False, cwd=folder, env=_environment(), input=stdin, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(command: Path, folder: Path, **variables: str) -> Iterator[None]:
    """`runner run`, while it is up; it has to end well."""
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen([command, "run"], cwd=folder, env=_environment() | variables, stderr=file)
    try:
        wait_until(lambda: "is up after" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT * 2) == 0


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BROKER_URL")}


def in_the_checkout() -> set[str]:
    """Each file of the runner as the wheel should name it; what a link leads to is a file there."""
    found = set()
    for folder, folders, files in os.walk(ROOT / "runner", followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found |= {(Path(folder) / name).relative_to(ROOT).as_posix() for name in files}
    return found


def test_the_wheel_has_all_of_the_runner_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == in_the_checkout()


def test_the_wheel_says_whose_it_is_and_brings_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {name.partition(".dist-info/")[2]: archive.read(name).decode() for name in archive.namelist()}
    assert "\nName: acklast\n" in texts["METADATA"]
    assert "\nLicense-Expression: Apache-2.0\n" in texts["METADATA"]
    assert texts["licenses/LICENSE"] == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("init", [True, False], ids=["with __init__.py", "without"])
def test_a_pipeline_runs_its_own_stages_beside_an_installed_package_of_that_name(
    installed: Path, tmp_path: Path, init: bool
) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/validate_payment.py").write_text(MINE)
    if init:
        (tmp_path / "stages/__init__.py").touch()
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)

    assert "pipeline.yaml: fine (1 stage, 1 queue)\n" in run(installed, "check", folder=tmp_path)
    with running(installed, tmp_path):
        run(installed, "send", "payments", folder=tmp_path, stdin='{"user": "ada@example.com"}')
        wait_until((tmp_path / "ledger").exists)
        wait_until(lambda: (tmp_path / "ledger").read_text() == "ada@example.com")


def test_check_sees_the_settings_of_the_users_own_stage(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/validate_payment.py").write_text(MINE.replace("ledger", "book"))
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)

    checked = subprocess.run(
        [installed, "check"], check=False, cwd=tmp_path, env=_environment(), capture_output=True, text=True
    )
    assert checked.returncode == 1
    assert "ValidatePayment has no setting 'ledger'" in checked.stdout + checked.stderr


def test_the_payment_pipeline_that_the_wheel_writes_takes_a_payment_and_mails_its_payer(
    installed: Path, tmp_path: Path
) -> None:
    shop, port, mail_port, console = tmp_path / "shop", free_port(), free_port(), free_port()
    run(installed, "new", "--example", "payments", "shop", folder=tmp_path)
    file = shop / "pipeline.yaml"
    file.write_text(file.read_text().replace("127.0.0.1:1025", f"127.0.0.1:{mail_port}"))

    ports = {"CONSOLE": f"127.0.0.1:{console}", "LISTEN": f"127.0.0.1:{port}", "MAIL_PORT": str(mail_port)}
    with running(installed, shop, **ports):
        payment = {"user": "ada@example.com", "paymentType": "Credit Card", "cardNo": "4242424242424242"}
        answer = Client(port).post("/make-payment", payment)
        assert answer.status == 202
        wait_until(lambda: list(shop.glob("var/mailbox/new/*")))
        for path, text in (("/", "send_email"), ("/static/console.css", "--accent"), ("/static/console.js", "stale")):
            with urllib.request.urlopen(f"http://127.0.0.1:{console}{path}", timeout=30) as page:
                assert text in page.read().decode()
        assert "Payment received" in run(installed, "mail", answer.json["id"], folder=shop)
