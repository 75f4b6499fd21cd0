"""Keys for keyed hashes: of values that have to be recognized, and must not be kept.

They are derived from the keys that seal, so that whoever has only the hashes can't test guesses. Left
out: what is hashed.
"""

from __future__ import annotations

import hmac
from functools import lru_cache, partial

from runner.privacy.sealing import Sealer


def hash_keys(purpose: str, sealer: Sealer | None, secret: bytes) -> list[bytes]:
    """A key for each of `sealer`'s, that of the key that seals first; without a sealer, of `secret`. Keys
    for one purpose tell nothing of those for another. Raises KeysError."""
    derive = partial(_derived, purpose)
    return [derive(secret)] if sealer is None else sealer.derived(derive)


@lru_cache(maxsize=64)
def _derived(purpose: str, secret: bytes) -> bytes:
    return hmac.digest(secret, f"acklast: {purpose}".encode(), "sha256")
