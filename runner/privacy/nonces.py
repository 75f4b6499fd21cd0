"""Random nonces, drawn from the system many at a time.

Each draw lets go of Python's lock, for which a busy process then waits longer than sealing takes.
No two processes share what was drawn: a fork begins with none.
"""

from __future__ import annotations

import os

LENGTH = 12
"""Bytes of a nonce (NIST SP 800-38D, 8.2)."""
_AT_ONCE = 256
_left: list[bytes] = []

os.register_at_fork(after_in_child=_left.clear)


def nonce() -> bytes:
    """One that was never returned before. From any thread."""
    while True:
        try:
            return _left.pop()
        except IndexError:
            drawn = os.urandom(LENGTH * _AT_ONCE)
            _left.extend(drawn[start : start + LENGTH] for start in range(0, len(drawn), LENGTH))
