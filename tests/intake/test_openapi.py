"""The OpenAPI document: valid, complete, and the same for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from runner.config.loader import load
from runner.intake.openapi import openapi
from tests.http_client import Client
from tests.intake.remembering import Intake
from tests.pipelines import loaded

SHIPPED = Path(__file__).parents[2] / "pipeline.yaml"
PIPELINE = """
    name: shop
    broker: BROKER
    ledger: sqlite:ledger.db
    http:
      max_body: 1KiB
      routes:
        POST /plain: {publish: any}
        PUT /sorted:
          headers: [X-Request-ID]
          publish:
            - {when: {required: [refusal]}, to: [refused, any]}
            - {to: orders}
        POST /asked: {publish: orders, auth: api_key, rate_limit: 5/s, idempotency: required, status: "/orders/{id}"}
        POST /signed: {publish: any, verify: {secrets: [whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz]}}
    queues: {orders: {schema: order.json}, refused: {schema: refused.json}, any: {}}
"""
SCHEMAS = {"order.json": {"required": ["n"]}, "refused.json": {"properties": {"refusal": {"type": "string"}}}}


@pytest.fixture
def document(tmp_path: Path) -> Any:
    return openapi(loaded(tmp_path, PIPELINE, SCHEMAS))


def statuses(document: Any, path: str, method: str = "post") -> set[str]:
    return set(document["paths"][path][method]["responses"])


def test_it_is_valid(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    OpenAPIV31SpecValidator(openapi(load(SHIPPED))).validate()


def test_each_route_has_its_answers_and_no_others(document: Any) -> None:
    always = {"202", "400", "408", "413", "415", "422", "503"}
    assert statuses(document, "/plain") == statuses(document, "/sorted", "put") == always
    assert statuses(document, "/asked") == always | {"200", "401", "409", "429"}
    assert statuses(document, "/signed") == always | {"401", "409"}
    assert statuses(document, "/orders/{id}", "get") == {"200", "304", "401", "404", "503"}


def test_what_a_request_needs_is_named(document: Any) -> None:
    asked, signed = (document["paths"][path]["post"] for path in ("/asked", "/signed"))
    names = [(one["name"], one.get("required")) for one in asked["parameters"]]
    assert names == [("Idempotency-Key", True), ("Prefer", None)]
    assert asked["security"] == document["paths"]["/orders/{id}"]["get"]["security"] == [{"apiKey": []}]
    assert [one["name"] for one in signed["parameters"]] == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert "parameters" not in document["paths"]["/plain"]["post"]
    assert [one["name"] for one in document["paths"]["/sorted"]["put"]["parameters"]] == ["X-Request-ID"]


def test_an_answer_leads_to_how_the_message_stands(document: Any) -> None:
    accepted = document["paths"]["/asked"]["post"]["responses"]["202"]
    link = accepted["links"]["status"]
    assert link["operationId"] == document["paths"]["/orders/{id}"]["get"]["operationId"]
    limited = {"RateLimit", "RateLimit-Policy"}
    assert set(accepted["headers"]) == {"Location", "Preference-Applied", "Idempotent-Replayed"} | limited


@pytest.mark.parametrize(
    ("body", "is_taken"),
    [
        ({"n": 1}, True),
        ({}, False),
        ({"refusal": "no"}, True),
        ({"refusal": 1}, False),
        ({"refusal": 1, "n": 1}, False),
    ],
)
def test_a_body_is_judged_as_the_intake_does(document: Any, body: Any, is_taken: bool) -> None:
    schema = document["paths"]["/sorted"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document["components"]}
    assert jsonschema_rs.validator_for(whole).is_valid(body) is is_taken


def test_names_of_operations_are_told_apart(tmp_path: Path) -> None:
    routes = "http: {routes: {POST /a-b: {publish: any}, POST /a_b: {publish: any}}}"
    found = openapi(loaded(tmp_path, f"broker: BROKER\n{routes}\nqueues: {{any: {{}}}}"))
    assert len({operations["post"]["operationId"] for operations in found["paths"].values()}) == 2


def test_it_is_served(client: Client) -> None:
    answer = client.get("/openapi.json")
    assert (answer.status, answer.mimetype) == (200, "application/json")
    assert answer.json["openapi"] == "3.1.0"
    assert client.get("/openapi.json").json == answer.json


def test_how_a_message_stands_is_told_as_described(intake: Intake) -> None:
    place = intake.post().headers["Location"]
    described = intake.client.get("/openapi.json").json["components"]["schemas"]["Status"]
    jsonschema_rs.validator_for(described).validate(intake.get(place).json)
