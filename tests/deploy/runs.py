"""The files in deploy/ as the tests read them: each place that starts the runner."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from runner.units import parse_duration
from tests.docs.pages import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: Mapping[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES: Sequence[Mapping[str, Any]] = list(
    yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
)
PAGE = (ROOT / "docs/production.md").read_text(encoding="utf-8")
UNIT = (DEPLOY / "runner.service").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Run:
    """A `runner run` of a file, and what it finds there."""

    file: str
    where: str
    """Its service, Deployment or unit."""
    arguments: Sequence[str]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    """The secrets: the path of each → its name where it is made."""
    grace: float
    """Seconds from the order to stop until SIGKILL, as far as they are the runner's."""

    @property
    def parts(self) -> set[str]:
        """The values of `--only`."""
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        return {value for option, value in pairs if option == "--only"}


def secret_paths(environment: Mapping[str, str]) -> set[str]:
    """The files that variables name: those that hold a value, and the keys."""
    keys = {value.removeprefix("file:") for name, value in environment.items() if name == "PIPELINE_KEYS"}
    return keys | {value for name, value in environment.items() if name.endswith("_FILE")}


def runs() -> Iterator[Run]:
    """All of them, file by file."""
    yield from _compose()
    yield from _kubernetes()
    yield _systemd()


def image_environment() -> dict[str, str]:
    """What the image sets, wherever it runs."""
    words = shlex.split(" ".join(re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)))
    return dict(word.split("=", 1) for word in words)


def containers(kind: str = "Deployment") -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Of each workload of Kubernetes: its name, its pod and its one container."""
    for document in KUBERNETES:
        if document["kind"] == kind:
            pod = document["spec"]["template"]["spec"]
            [container] = pod["containers"]
            yield document["metadata"]["name"], pod, container


def _compose() -> Iterator[Run]:
    for name, service in COMPOSE["services"].items():
        if service["image"] == COMPOSE["x-runner"]["image"]:
            files = {f"/run/secrets/{secret}": secret for secret in service["secrets"]}
            environment = {key: _filled(value) for key, value in service["environment"].items()}
            grace = parse_duration(service["stop_grace_period"])
            yield Run("compose.yaml", name, service["command"], environment, files, grace)


def _filled(value: str) -> str:
    """A value as Compose gives it to a container, for somebody who has only set what must be set."""
    return re.sub(r"\$\{\w+:-(.*)\}", r"\1", re.sub(r"\$\{\w+:\?.*\}", "example.com", value))


def _kubernetes() -> Iterator[Run]:
    data = {d["metadata"]["name"]: d["data"] for d in KUBERNETES if d["kind"] == "ConfigMap"}
    for name, pod, container in containers():
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        for source in container.get("envFrom", ()):
            environment |= data[source["configMapRef"]["name"]]
        secret = {volume["name"] for volume in pod["volumes"] if "secret" in volume}
        folders = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] in secret]
        paths = secret_paths(environment)
        files = {path: PurePosixPath(path).name for path in paths if str(PurePosixPath(path).parent) in folders}
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = pod["terminationGracePeriodSeconds"] - sleep
        yield Run("kubernetes.yaml", name, container["args"], environment, files, grace)


def _systemd() -> Run:
    lines = re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE)
    [start] = [value for key, value in lines if key == "ExecStart"]
    [grace] = [value for key, value in lines if key == "TimeoutStopSec"]
    assert ("EnvironmentFile", "/etc/payments/environment") in lines
    environment = [word for key, value in lines if key == "Environment" for word in value.split()]
    environment += re.findall(r"^\w+=.*$", (DEPLOY / "environment").read_text(encoding="utf-8"), re.MULTILINE)
    credentials = [value.split(":", 1)[0] for key, value in lines if key == "LoadCredential"]
    files = {f"%d/{name}": name for name in credentials}
    arguments = start.split(" ")[1:]
    given = dict(word.split("=", 1) for word in environment)
    return Run("runner.service", "payments", arguments, given, files, float(grace))
