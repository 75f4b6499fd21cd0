"""deploy/runner.service and deploy/logrotate, checked by the programs that will read them."""

from __future__ import annotations

from pathlib import Path

from tests.deploy.runs import DEPLOY, UNIT
from tests.deploy.tools import said, tool


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """The program that it names has to be there, so the installation is moved."""
    analyze = tool("systemd-analyze", "systemd")
    program = tmp_path / ".venv/bin/runner"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "payments.service"
    unit.write_text(UNIT.replace("/srv/payments", str(tmp_path)))
    assert said(analyze, "verify", "--man=no", unit) == (0, "")


def test_the_unit_is_enabled_at_boot_runs_as_a_user_and_stops_in_order() -> None:
    for line in ("WantedBy=multi-user.target", "User=payments", "KillMode=mixed", "Restart=always"):
        assert f"\n{line}\n" in UNIT
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "ReadWritePaths=-/srv/payments/var"):
        assert f"\n{line}\n" in UNIT


def test_logrotate_takes_its_file(tmp_path: Path) -> None:
    status, text = said(tool("logrotate", "logrotate"), "--debug", "--state", tmp_path / "state", DEPLOY / "logrotate")
    assert status == 0
    assert "error:" not in text
    assert "rotating pattern: /var/log/payments/runner.log " in text
