"""The file as it runs."""

from __future__ import annotations

from tests.console.conftest import PIPELINE, Show


def test_it_has_every_default_and_no_secret(show: Show) -> None:
    route = "{publish: orders, verify: {secrets: [whsec_" + "QUJD" * 8 + "]}}"
    shown = show(
        PIPELINE + f'    http: {{listen: "127.0.0.1:0", routes: {{POST /in: {route}}}}}\n    ledger: sqlite:l.db\n'
    )
    page = shown.ask("/file").body
    assert "max_body: 64KiB" in page
    assert "********" in page
    assert "QUJD" not in page
