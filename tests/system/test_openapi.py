"""The intake does what its OpenAPI document says: Schemathesis makes requests of it, and finds nothing.

It tries each operation with valid and with broken requests, and follows the link from a payment's
202 to how it stands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.system.program import ROOT, Program

EXAMPLES = 6
"""Of each operation, in each phase."""
SHIPPED = (ROOT / "pipeline.yaml").read_text()
ASKING = "auth: api_key\n      rate_limit: 1000000/s\n      idempotency: required\n      status:"


class Payments(Program):
    """The shipped pipeline, with free ports."""

    def write(self, pipeline: str) -> None:
        shutil.copytree(ROOT / "schemas", self.folder / "schemas", dirs_exist_ok=True)
        mailbox = free_port()
        text = pipeline.replace("127.0.0.1:1025", f"127.0.0.1:{mailbox}")
        text = text.replace("127.0.0.1:5001", "127.0.0.1:0").replace("MAIL_PORT:-1025", f"MAIL_PORT:-{mailbox}")
        (self.folder / "pipeline.yaml").write_text(text.replace("127.0.0.1:5000", f"127.0.0.1:{self.port}"))


@pytest.fixture
def payments(tmp_path: Path) -> Iterator[Payments]:
    program = Payments(tmp_path, "", SHIPPED)
    yield program
    program.stop()


def findings(program: Program, *arguments: str) -> str:
    """What Schemathesis says where it finds something; else nothing."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"http://127.0.0.1:{program.port}/openapi.json",
    ]
    settings = [f"--max-examples={EXAMPLES}", "--seed=1", "--generation-deterministic", "--request-timeout=60"]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.system.fresh_keys", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *settings, "--no-color", *arguments],
        cwd=program.folder,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_schemathesis_finds_nothing_in_the_shipped_pipeline(payments: Payments) -> None:
    payments.start()
    assert findings(payments) == ""
    assert "Traceback" not in payments.log


def test_nor_where_callers_need_a_key_and_have_a_limit(payments: Payments) -> None:
    payments.write(re.sub(r"idempotency: optional .*\n +status:", ASKING, SHIPPED))
    command = [sys.executable, "-m", "runner", "apikeys", "add", "tester"]
    added = subprocess.run(command, cwd=payments.folder, env=payments.environment(), capture_output=True, check=True)
    payments.start()
    assert findings(payments, f"--header=Authorization: Bearer {added.stdout.decode().strip()}") == ""
    assert "Traceback" not in payments.log
