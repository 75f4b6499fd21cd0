"""A sealed value opens where it belongs, and nowhere else."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import ForeignSealError, KeysError, UnknownKeyError
from runner.privacy import sealing
from runner.privacy.keyset import KeySet, change_keys, make_keys, read_keys, rotated, without
from runner.privacy.sealed import Token, read_token
from runner.privacy.sealing import Sealer

CARD = b"4111111111111111"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "var" / "keys"
    make_keys(path)
    return path


def sealed(sealer: Sealer, id: str = "p1", place: str = "/cardNo") -> Token:
    token = read_token(sealer.seal(CARD, "····1111", id, place))
    assert token is not None
    return token


def test_what_is_sealed_opens_in_another_process_with_the_same_keys(path: Path) -> None:
    assert Sealer(path).open(sealed(Sealer(path)), "p1", "/cardNo") == CARD


def test_the_same_value_is_never_sealed_to_the_same_text(path: Path) -> None:
    sealer = Sealer(path)
    tokens = {sealed(sealer) for _ in range(100)}
    assert len({token.nonce for token in tokens}) == len({token.ciphertext for token in tokens}) == 100


def test_it_opens_in_a_message_of_a_list_that_came_from_its_own(path: Path) -> None:
    sealer = Sealer(path)
    assert sealer.open(sealed(sealer), "p1.2.13", "/cardNo") == CARD
    assert sealer.open(sealed(sealer, "p1.7"), "p1", "/cardNo") == CARD


@pytest.mark.parametrize(
    ("id", "place", "changes"),
    [
        ("p2", "/cardNo", {}),
        ("p1", "/other", {}),
        ("p1", "", {}),
        ("p1", "/cardNo", {"mask": "····2222"}),
        ("p1", "/cardNo", {"mask": "········"}),
        ("p1", "/cardNo", {"nonce": "A" * 16}),
        ("p1", "/cardNo", {"ciphertext": "A" * 43}),
        ("p1", "/cardNo", {"ciphertext": "A" * 41}),
    ],
)
def test_a_token_that_was_moved_or_changed_opens_nowhere(
    path: Path, id: str, place: str, changes: dict[str, str]
) -> None:
    sealer = Sealer(path)
    with pytest.raises(ForeignSealError, match="was made for another place, or was changed"):
        sealer.open(sealed(sealer)._replace(**changes), id, place)


def test_a_token_says_nothing_of_another_key_than_its_own(path: Path) -> None:
    sealer = Sealer(path)
    first = sealed(sealer)
    other = change_keys(path, rotated).current
    with pytest.raises(ForeignSealError):
        sealer.open(first._replace(key=other), "p1", "/cardNo")


def test_a_process_learns_of_a_new_key_when_it_meets_one(path: Path) -> None:
    reader = Sealer(path)
    reader.open(sealed(Sealer(path)), "p1", "/cardNo")
    change_keys(path, rotated)
    token = sealed(Sealer(path))
    assert token.key == read_keys(path).current
    assert reader.open(token, "p1", "/cardNo") == CARD


def test_a_process_seals_with_a_new_key_soon_after_the_rotation(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "LOOK_EVERY", -1.0)
    sealer = Sealer(path)
    before = sealed(sealer)
    after = change_keys(path, rotated).current
    assert sealed(sealer).key == after
    assert sealer.open(before, "p1", "/cardNo") == CARD


def test_a_retired_key_opens_nothing_any_more(path: Path) -> None:
    token = sealed(Sealer(path))
    change_keys(path, rotated)

    def retired(keys: KeySet) -> KeySet:
        return without(keys, token.key)

    change_keys(path, retired)
    with pytest.raises(UnknownKeyError, match=f"/cardNo is sealed with the key {token.key}, which isn't in {path}"):
        Sealer(path).open(token, "p1", "/cardNo")


def test_a_file_that_is_damaged_later_leaves_a_process_the_keys_that_it_has(path: Path) -> None:
    sealer = Sealer(path)
    token = sealed(sealer)
    path.write_text("{}")
    assert sealer.open(token, "p1", "/cardNo") == CARD
    with pytest.raises(UnknownKeyError):
        sealer.open(token._replace(key="ffffffff"), "p1", "/cardNo")


def test_without_its_file_nothing_is_sealed_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"keys: the file can't be read: .*; 'runner keys generate' makes one"):
        Sealer(tmp_path / "keys").seal(CARD, "····1111", "p1", "/cardNo")


def test_in_development_the_first_run_makes_keys_for_this_user_alone_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "var" / "keys"
    caplog.set_level(logging.INFO)
    for _ in range(2):
        Sealer(path).prepare(production=False)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert read_keys(path).made_up
    assert len(caplog.messages) == 1
    assert str(path) in caplog.messages[0]


def test_in_production_no_keys_are_made_up(tmp_path: Path) -> None:
    with pytest.raises(KeysError):
        Sealer(tmp_path / "keys").prepare(production=True)
    assert list(tmp_path.iterdir()) == []


def test_the_cryptography_is_imported_for_the_first_value_only() -> None:
    script = (
        "import sys; from pathlib import Path; from runner.privacy.sealing import Sealer; import runner.config.loader;"
        "Sealer(Path('k')); assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
