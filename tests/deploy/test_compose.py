"""deploy/compose.yaml, and the secrets that docs/production.md makes for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from runner.config.loader import load
from tests.deploy.runs import COMPOSE, DEPLOY, PAGE, image_environment, runs
from tests.deploy.tools import said
from tests.docs.pages import ROOT


def test_every_name_in_the_file_is_declared_and_compose_takes_it_where_it_answers() -> None:
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        assert {
            secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", ())
        } <= set(COMPOSE["secrets"])
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert {name for name in volumes if "/" not in name} <= set(COMPOSE.get("volumes", ()))
    for client in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(client[0]) and said(*client, "version")[0] == 0:
            command = [*client, "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
            assert said(*command, MAIL_SERVER="smtp.example.com") == (0, "")


def test_only_the_intake_has_a_health_check_and_a_port() -> None:
    for run in runs():
        if run.file == "compose.yaml":
            service = COMPOSE["services"][run.where]
            assert service.get("healthcheck") == (None if "intake" in run.parts else {"disable": True})
            assert ("ports" in service) == ("intake" in run.parts)
    assert COMPOSE["services"]["intake"]["ports"] == ["127.0.0.1:5000:5000"]
    assert image_environment()["LISTEN"] == "0.0.0.0:5000"


def test_the_secrets_that_the_page_makes_fit_the_broker_of_the_compose_file(tmp_path: Path) -> None:
    [script] = re.findall(r"^```text\n(mkdir .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "deploy").mkdir()
    for name in ("pipeline.yaml", "schemas", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-euc", script], check=True, cwd=tmp_path, env={**os.environ, "PATH": path})
    made = {path.name: path for path in (tmp_path / "deploy/secrets").iterdir()}
    wanted = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert set(made) == wanted
    url = urlsplit(
        load(ROOT / "pipeline.yaml", environ={"BROKER_URL_FILE": str(made["broker_url"])}).pipeline.broker[0]
    )
    assert made["rabbitmq.conf"].read_text() == (
        f"default_vhost = {url.path[1:]}\ndefault_user = {url.username}\ndefault_pass = {url.password}\n"
    )
    assert url.hostname in COMPOSE["services"]
    ledger = urlsplit(made["database_url"].read_text())
    assert ledger.hostname in COMPOSE["services"]
    assert ledger.password == made["postgres_password"].read_text()
    assert all(path.stat().st_mode & 0o004 for path in made.values())
