"""Seals and opens values: AES-256-GCM, with the keys of a file.

What is authenticated beside the value says where it belongs: the message's id without the
numbers of a list, its place in the body, and its mask. So a token that is moved to another
message or field, or whose mask was changed, opens nowhere. Nonces are random; NIST SP
800-38D allows 2^32 values for each key.

`cryptography` is imported when the first value is sealed or opened. Left out: which values
are sealed (see `runner.validation.marks`).
"""

from __future__ import annotations

import logging
import threading
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.errors import ForeignSealError, KeysError, UnknownKeyError
from runner.message import root_id
from runner.privacy.keyset import KeySet, make_keys, read_keys
from runner.privacy.nonces import nonce
from runner.privacy.sealed import PREFIX, Token
from runner.wording import facts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

log = logging.getLogger("runner.keys")

LOOK_EVERY = 1.0
"""Seconds after which the next value sealed looks whether the file has changed, so that every
process seals with a new key soon after a rotation."""


class Sealer:
    """The keys of one process, read when they are first needed. Any thread may use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._looked = 0.0
        self._seen: tuple[int, ...] = ()
        """What tells one version of the file from the next."""
        self._sealing: tuple[str, AESGCM] | None = None
        """The key that seals: its id, and its cipher."""
        self._ciphers: dict[str, AESGCM] = {}
        self._secrets: list[bytes] = []
        self._forged: type[Exception] = ValueError
        """What a cipher raises for what it hasn't sealed; it is imported with the keys, not for each value."""

    def prepare(self, *, production: bool) -> None:
        """Before the first message: read the keys. In development, make them if there are none.
        Raises KeysError."""
        if not production and make_keys(self.path, development=True):
            near = self.path.relative_to(Path.cwd()) if self.path.is_relative_to(Path.cwd()) else self.path
            what = "made the keys that seal card numbers and the like: %s (for development; see 'runner keys')"
            log.info(what, near, extra=facts(file=near))
        self._look()

    def seal(self, value: bytes, mask: str, id: str, path: str) -> str:
        """The token for `value` in the message `id`, where `path` (RFC 6901) leads to in its body.
        Raises KeysError."""
        if self._sealing is None or time.monotonic() - self._looked > LOOK_EVERY:
            self._look()
        assert self._sealing is not None
        key, cipher = self._sealing
        fresh = nonce()
        sealed = cipher.encrypt(fresh, value, _belongs(key, id, path, mask))
        return f"{PREFIX}{key}.{_text(fresh)}.{_text(sealed)}.{mask}"

    def open(self, token: Token, id: str, path: str) -> bytes:
        """The value of `token`, which was found at `path` in the body of the message `id`.

        Raises UnknownKeyError if none of the keys is the one that it names, ForeignSealError if it was
        made for another place or was changed, KeysError if there are no keys.
        """
        cipher = self._ciphers.get(token.key) or self._look().get(token.key)
        if cipher is None:
            raise UnknownKeyError(
                f"{path or 'the body'} is sealed with the key {token.key}, which isn't in {self.path}"
            )
        try:
            where = _belongs(token.key, id, path, token.mask)
            return cipher.decrypt(a2b_base64(token.nonce), a2b_base64(token.ciphertext), where)
        except (self._forged, ValueError):
            name = path or "the body"
            raise ForeignSealError(f"what is sealed at {name} was made for another place, or was changed") from None

    def derived(self, derive: Callable[[bytes], bytes]) -> list[bytes]:
        """What `derive` makes of each key, that of the key that seals first: for what is kept as a keyed
        hash. Raises KeysError."""
        if self._sealing is None or time.monotonic() - self._looked > LOOK_EVERY:
            self._look()
        return [derive(secret) for secret in self._secrets]

    def _look(self) -> dict[str, AESGCM]:
        """The ciphers of the file as it is now. One that can't be read any more leaves those known."""
        with self._lock:
            self._looked = time.monotonic()
            try:
                seen = _version(self.path)
                if seen != self._seen:
                    self._take(read_keys(self.path))
                    self._seen = seen
            except KeysError:
                if not self._ciphers:
                    raise
            return self._ciphers

    def _take(self, keys: KeySet) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._forged = InvalidTag
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys.keys}
        self._sealing = keys.current, self._ciphers[keys.current]
        self._secrets = [key.secret for key in sorted(keys.keys, key=lambda key: key.id != keys.current)]


def _version(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        reason = f"can't be read: {error.strerror}; 'runner keys generate' makes one"
        raise KeysError(f"the keys in {path}: the file {reason}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _belongs(key: str, id: str, path: str, mask: str) -> bytes:
    return orjson.dumps((key, root_id(id), path, mask))


def _text(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()
