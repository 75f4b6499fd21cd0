"""Is the broker's file fit for a pipeline?"""

from __future__ import annotations

from pathlib import Path

from runner.brokers.embedded.checkup import checked
from tests.brokers.conftest import Opener
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import topology


def test_one_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    [found] = checked([f"embedded:{tmp_path / 'broker.db'}"], "test", topology())
    assert (found.level, found.text) == ("ok", f"embedded, in {tmp_path / 'broker.db'}, which the first run makes")
    assert list(tmp_path.iterdir()) == []


def test_one_in_use_is_well(open_broker: Opener, place: EmbeddedPlace) -> None:
    open_broker()
    assert [found.level for found in checked([place.address], "test", topology())] == ["ok"]


def test_one_that_is_no_such_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "broker.db").write_bytes(b"something else" * 1_000)
    [found] = checked([f"embedded:{tmp_path / 'broker.db'}"], "test", topology())
    assert found.level == "fault"
    assert "broker.db" in found.text
