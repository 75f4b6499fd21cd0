"""What a charge shows of itself, and that the gateways that come with the pipeline are gateways."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.gateways import Charge, Gateway
from stages.gateways.http import HttpGateway
from stages.gateways.simulated import SimulatedGateway


def test_a_charge_shows_neither_a_number_nor_a_token() -> None:
    shown = repr(Charge("key", "4242424242424242", token="pm_1234", reference="Order 1"))
    assert "4242" not in shown
    assert "pm_1234" not in shown
    assert "Order 1" in shown


@pytest.mark.parametrize("name", ["simulated", "http"])
def test_what_comes_with_the_pipeline_keeps_the_contract(name: str, tmp_path: Path) -> None:
    gateways: dict[str, Gateway] = {
        "simulated": SimulatedGateway(timeout=1, charges=tmp_path / "charges.db"),
        "http": HttpGateway("https://gateway.example.com", timeout=1),
    }
    assert callable(gateways[name].charge)
    assert callable(gateways[name].look_up)
