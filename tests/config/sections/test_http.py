"""The intake."""

from __future__ import annotations

import pytest

from runner.pipeline import Address
from tests.config.files import loaded

pytestmark = pytest.mark.usefixtures("any_schema")

QUEUES = "queues: {a: {}}\n"


def test_the_address_of_the_intake_has_a_default() -> None:
    http = loaded(f"http: {{routes: {{POST /: {{publish: a}}}}}}\n{QUEUES}").pipeline.http
    assert http is not None
    assert http.listen == Address("127.0.0.1", 5000)
