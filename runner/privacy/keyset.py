"""The keys in a file, which only this user may read: which there are, and which one seals.

A key is a member of a list and has a kind, so that one that a KMS keeps can stand beside
those that stand here. The file is replaced as a whole: a reader sees the keys of before or
those of after. Left out: what is sealed with them (see `runner.privacy.sealing`).
"""

from __future__ import annotations

import binascii
import dataclasses
import fcntl
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from runner.errors import KeysError
from runner.paths import FileReadError, check_path, read_file
from runner.privacy.files import make_file, make_folder
from runner.wording import did_you_mean, listed

LARGEST = 1 << 20
"""Bytes of the file."""
LENGTH = 32
"""Bytes of a key: AES-256."""
VERSION = 1
LOCAL = "local"
"""The kind of a key that stands in the file itself."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Times are RFC 3339, UTC."""

    id: str
    secret: bytes = field(repr=False)
    created: str
    replaced: str = ""
    """When another one took over the sealing; empty: none has."""
    development: bool = False
    """Whether a run made it up because it found none."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys open, and `current` seals. The newest is the last."""

    current: str
    keys: tuple[Key, ...]

    def key(self, id: str) -> Key | None:
        return next((key for key in self.keys if key.id == id), None)

    @property
    def made_up(self) -> bool:
        """Whether a run made up one of them, in development."""
        return any(key.development for key in self.keys)


def new_key(*, development: bool = False) -> Key:
    return Key(os.urandom(4).hex(), os.urandom(LENGTH), _now(), development=development)


def new_keys(*, development: bool = False) -> KeySet:
    """A set of one key."""
    key = new_key(development=development)
    return KeySet(key.id, (key,))


# -- What can be done with a set ------------------------------------------------------------


def with_new_key(keys: KeySet) -> KeySet:
    """With another key, which opens, but doesn't seal yet."""
    return KeySet(keys.current, (*keys.keys, new_key()))


def rotated(keys: KeySet) -> KeySet:
    """With the newest key sealing; with a new one, if the newest is sealing already."""
    keys = with_new_key(keys) if keys.keys[-1].id == keys.current else keys
    now = _now()
    others = (dataclasses.replace(key, replaced=now) if key.id == keys.current else key for key in keys.keys[:-1])
    return KeySet(keys.keys[-1].id, (*others, keys.keys[-1]))


def without(keys: KeySet, id: str) -> KeySet:
    """Without one key. Raises KeysError if there is none of this id, or if it seals."""
    if keys.key(id) is None:
        ids = [key.id for key in keys.keys]
        raise KeysError(f"there is no key '{id}'{did_you_mean(id, ids)}; there is {listed(ids)}")
    if id == keys.current:
        raise KeysError(f"the key {id} seals; 'runner keys rotate' first")
    return KeySet(keys.current, tuple(key for key in keys.keys if key.id != id))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def keys_file(text: str, folder: Path) -> Path:
    """The file that `keys` in a pipeline file names; a relative path starts at `folder`.
    Raises ValueError with a predicate for the user."""
    scheme, colon, path = text.partition(":")
    if not colon or scheme != "file":
        raise ValueError("must be file:PATH, such as file:var/keys")
    if not path or path.endswith("/"):
        raise ValueError("needs the path of a file, such as file:var/keys")
    check_path(folder / path, "file")
    return folder / path


# -- The file -------------------------------------------------------------------------------


def read_keys(path: Path) -> KeySet:
    """The keys in the file at `path`. Raises KeysError."""
    try:
        document = orjson.loads(read_file(path, LARGEST))
    except FileReadError as error:
        raise KeysError(f"the keys in {path}: the file {error}") from None
    except orjson.JSONDecodeError:
        raise KeysError(f"the keys in {path}: the file isn't one of 'runner keys', or is damaged") from None
    try:
        return _read(document)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        reason = str(error) if type(error) is ValueError else "the file isn't one of 'runner keys', or is damaged"
        raise KeysError(f"the keys in {path}: {reason}") from None


def _read(document: Any) -> KeySet:
    if document["version"] != VERSION:
        raise ValueError(f"the file has the version {document['version']!r}; this program reads {VERSION}")
    keys = KeySet(str(document["current"]), tuple(_read_key(key) for key in document["keys"]))
    if keys.key(keys.current) is None:
        raise ValueError("the file names a key that seals, and doesn't have it")
    return keys


def _read_key(entry: Any) -> Key:
    if entry["kind"] != LOCAL:
        raise ValueError(f"the file has a key of the kind {entry['kind']!r}; this program has {LOCAL!r}")
    secret = b64decode(entry["key"], validate=True)
    if len(secret) != LENGTH:
        raise ValueError(f"the file has a key of {len(secret)} bytes; a key has {LENGTH}")
    name, created, replaced = (str(entry.get(field, "")) for field in ("id", "created", "replaced"))
    if not re.fullmatch(r"[a-z0-9]{1,32}", name):
        raise ValueError("the file has a key without an id of up to 32 small letters and digits")
    if replaced and not _is_time(replaced):
        raise ValueError(f"the file has a key that was replaced at {replaced!r}, which isn't a time with its zone")
    return Key(name, secret, created, replaced, development=entry.get("development") is True)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _written(keys: KeySet) -> bytes:
    entries = [
        {
            "id": key.id,
            "kind": LOCAL,
            "created": key.created,
            **({"replaced": key.replaced} if key.replaced else {}),
            **({"development": True} if key.development else {}),
            "key": b64encode(key.secret).decode(),
        }
        for key in keys.keys
    ]
    return orjson.dumps({"version": VERSION, "current": keys.current, "keys": entries}, option=orjson.OPT_INDENT_2)


def make_keys(path: Path, *, development: bool = False) -> bool:
    """Make a set of one key at `path`, for this user alone, unless there is a file already.
    Of several that try at once, one makes it. Returns whether this one did. Raises KeysError."""
    if path.is_file():
        return False
    with _locked(path):
        if path.is_file():
            return False
        _write(path, new_keys(development=development))
        return True


def change_keys(path: Path, change: Callable[[KeySet], KeySet]) -> KeySet:
    """Replace the keys at `path` by what `change` makes of them. Raises KeysError."""
    with _locked(path):
        keys = change(read_keys(path))
        _write(path, keys)
        return keys


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else changes the keys meanwhile."""
    try:
        make_folder(path.parent)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KeysError(f"the keys in {path}: the folder can't be used: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)
    finally:
        os.close(folder)


def _write(path: Path, keys: KeySet) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # of one that was killed: nobody else writes now
        with os.fdopen(make_file(part, os.O_EXCL), "wb") as file:
            file.write(_written(keys))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        reason = (error.strerror or str(error)).lower()
        raise KeysError(f"the keys in {path}: the file can't be written: {reason}") from None
