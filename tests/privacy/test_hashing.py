"""Keys for keyed hashes: one for each that seals and for each purpose."""

from __future__ import annotations

from pathlib import Path

from runner.privacy.hashing import hash_keys
from runner.privacy.keyset import change_keys, make_keys, read_keys, rotated
from runner.privacy.sealing import Sealer


def test_the_key_of_the_one_that_seals_comes_first_and_older_ones_stay(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    [before] = hash_keys("a purpose", Sealer(tmp_path / "keys"), b"")
    change_keys(tmp_path / "keys", rotated)
    after = hash_keys("a purpose", Sealer(tmp_path / "keys"), b"")
    assert len(after) == 2
    assert after[1] == before
    assert not {key.secret for key in read_keys(tmp_path / "keys").keys} & set(after)


def test_purposes_have_keys_of_their_own(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    sealer = Sealer(tmp_path / "keys")
    assert hash_keys("a", sealer, b"") != hash_keys("b", sealer, b"")
    assert hash_keys("a", None, b"secret") != hash_keys("a", sealer, b"secret")
