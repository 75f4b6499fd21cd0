"""The file of keys: made, read, changed, and what is wrong with it."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from runner.errors import KeysError
from runner.privacy.keyset import (
    KeySet,
    change_keys,
    keys_file,
    make_keys,
    new_keys,
    read_keys,
    rotated,
    with_new_key,
    without,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    make_keys(path)
    return path


def test_a_new_set_has_one_key_that_seals() -> None:
    keys = new_keys()
    assert [key.id for key in keys.keys] == [keys.current]
    assert len(keys.keys[0].secret) == 32
    assert not keys.made_up
    assert repr(keys.keys[0].secret) not in repr(keys)


def test_what_is_written_is_what_is_read(path: Path) -> None:
    changed = change_keys(path, lambda keys: rotated(with_new_key(keys)))
    assert read_keys(path) == changed
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_generated_seals_from_the_rotation_on(path: Path) -> None:
    first = read_keys(path)
    added = change_keys(path, with_new_key)
    assert added.current == first.current
    after = change_keys(path, rotated)
    assert after.current == added.keys[-1].id
    assert [bool(key.replaced) for key in after.keys] == [True, False]
    assert len(change_keys(path, rotated).keys) == 3, "none was waiting: a new one is made"


def test_a_file_that_is_there_is_never_made_again(path: Path) -> None:
    before = path.read_bytes()
    assert not make_keys(path)
    assert path.read_bytes() == before


def _make(path: str) -> bool:
    return make_keys(Path(path), development=True)


def _add(path: str) -> KeySet:
    return change_keys(Path(path), with_new_key)


def test_of_several_processes_that_start_at_once_one_makes_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "var" / "keys"
    with multiprocessing.get_context("fork").Pool(8) as pool:
        assert sum(pool.map(_make, [str(path)] * 40)) == 1


def test_no_key_is_lost_when_several_add_one_at_once(path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_add, [str(path)] * 20)
    assert len({key.id for key in read_keys(path).keys}) == 21
    assert list(path.parent.iterdir()) == [path]


def test_a_key_can_be_removed(path: Path) -> None:
    keys = change_keys(path, rotated)
    left = change_keys(path, lambda keys: without(keys, keys.keys[0].id))
    assert [key.id for key in left.keys] == [keys.current]


def test_the_key_that_seals_can_not_be_removed(path: Path) -> None:
    with pytest.raises(KeysError, match="seals; 'runner keys rotate' first"):
        change_keys(path, lambda keys: without(keys, keys.current))


def test_what_a_killed_one_has_left_half_written_is_no_obstacle(path: Path) -> None:
    path.with_name(".keys.part").write_text("half")
    change_keys(path, with_new_key)
    assert len(read_keys(path).keys) == 2
    assert list(path.parent.iterdir()) == [path]


def changed(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_bytes())
    document["keys"][0] |= changes.pop("key", {})
    path.write_text(json.dumps(document | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "the file has the version 2; this program reads 1"),
        ({"current": "x"}, "the file names a key that seals, and doesn't have it"),
        ({"key": {"kind": "kms"}}, "the file has a key of the kind 'kms'; this program has 'local'"),
        ({"key": {"key": "AAAA"}}, "the file has a key of 3 bytes; a key has 32"),
        ({"key": {"key": "!"}}, "the file isn't one of 'runner keys', or is damaged"),
        ({"key": {"id": "a.b"}, "current": "a.b"}, "the file has a key without an id"),
        ({"key": {"replaced": "yesterday"}}, "replaced at 'yesterday', which isn't a time with its zone"),
        ({"key": {"replaced": "2026-11-26T14:00:00"}}, "which isn't a time with its zone"),
        ({"keys": 1}, "the file isn't one of 'runner keys', or is damaged"),
    ],
)
def test_a_file_that_is_wrong_is_refused_without_a_word_of_a_key(
    path: Path, changes: dict[str, Any], reason: str
) -> None:
    secret = json.loads(path.read_bytes())["keys"][0]["key"]
    changed(path, **changes)
    with pytest.raises(KeysError) as refused:
        read_keys(path)
    assert reason in str(refused.value)
    assert secret not in str(refused.value)


def test_what_is_no_json_or_not_there_is_refused(path: Path) -> None:
    path.write_text("not json")
    with pytest.raises(KeysError, match="isn't one of 'runner keys', or is damaged"):
        read_keys(path)
    path.unlink()
    with pytest.raises(KeysError, match="can't be read: No such file"):
        read_keys(path)


def test_keys_name_a_file(tmp_path: Path) -> None:
    assert keys_file("file:var/keys", tmp_path) == tmp_path / "var/keys"
    assert keys_file("file:/run/secrets/keys", tmp_path) == Path("/run/secrets/keys")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("var/keys", "must be file:PATH, such as file:var/keys"),
        ("kms:alias", "must be file:PATH, such as file:var/keys"),
        ("file:", "needs the path of a file"),
        ("file:.", "names the folder"),
    ],
)
def test_keys_that_are_no_file_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        keys_file(text, tmp_path)
