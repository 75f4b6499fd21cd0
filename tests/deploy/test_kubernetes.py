"""deploy/kubernetes.yaml: names that have to agree, and probes that a real intake answers."""

from __future__ import annotations

from tests.deploy.runs import KUBERNETES, containers, image_environment
from tests.system.program import Program


def test_the_probes_ask_what_the_intake_answers(intake: Program) -> None:
    [container] = [container for name, _, container in containers() if name == "payments-intake"]
    for probe, path in (("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}
        assert intake.request("GET", path).status == 200


def test_the_service_leads_to_the_port_that_the_intake_listens_on() -> None:
    [service] = [document for document in KUBERNETES if document["kind"] == "Service"]
    [intake] = [d for d in KUBERNETES if d["metadata"]["name"] == "payments-intake"]
    template = intake["spec"]["template"]
    assert service["spec"]["selector"] == template["metadata"]["labels"] == intake["spec"]["selector"]["matchLabels"]
    [container] = template["spec"]["containers"]
    [port] = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"] == "http"
    [listen] = [entry["value"] for entry in container["env"] if entry["name"] == "LISTEN"]
    assert listen == image_environment()["LISTEN"] == f"0.0.0.0:{port['containerPort']}"


def test_a_deployment_finds_its_own_pods_and_mounts_what_it_has() -> None:
    for document in KUBERNETES:
        if document["kind"] == "Deployment":
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert document["spec"]["selector"]["matchLabels"] == labels
    for _, pod, container in containers():
        assert {m["name"] for m in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
