"""API keys: by which of them a caller is known.

The ledger has only their hashes. SHA-256 is enough for that: a key is 256 random bits, which
nobody guesses, unlike a password. Left out: reading a key from a request (see `intake.callers`).
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import insert, select, update

from runner.errors import LedgerError
from runner.ledger.database import Database
from runner.ledger.tables import API_KEY

log = logging.getLogger("runner.ledger")

PREFIX = "acklast_"
"""By which scanners of source code find a key that somebody has published."""
CALLER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""The names that a caller may have."""
EVERY = 1.0
"""Seconds until an intake has heard of a new key, and of one that was revoked."""
STALE = 10.0
"""Seconds without the ledger after which an intake no longer goes by what it has heard."""
USED = 60.0
"""Seconds: the time of a key's last use is that exact."""


class ApiKey(NamedTuple):
    """A key, as the ledger has it. Times are seconds since 1970."""

    hash: str
    caller: str
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    used_at: float | None

    @property
    def id(self) -> str:
        """By which people name it."""
        return self.hash[:8]

    def opens(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hash_of(key: str) -> str:
    """Of any text that a client sends as its key."""
    return sha256(key.encode(errors="surrogateescape")).hexdigest()


class ApiKeys:
    """All of them. The methods raise LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, caller: str, lifetime: float | None) -> tuple[str, ApiKey]:
        """Make a key for `caller`, for so many seconds (None: until it is revoked). Returns it; nobody can later."""
        key, now = PREFIX + secrets.token_urlsafe(32), time.time()
        added = ApiKey(hash_of(key), caller, now, None if lifetime is None else now + lifetime, None, None)
        with self._database.transaction(prompt=True) as connection:
            connection.execute(insert(API_KEY), [added._asdict()])
        return key, added

    def all(self) -> list[ApiKey]:
        """In the order in which they were made."""
        columns = [API_KEY.c[name] for name in ApiKey._fields]
        with self._database.connection() as connection:
            return [ApiKey(*row) for row in connection.execute(select(*columns).order_by(API_KEY.c.created_at))]

    def revoke(self, key: ApiKey) -> None:
        revoked = update(API_KEY).where(API_KEY.c.hash == key.hash).values(revoked_at=time.time())
        with self._database.transaction(prompt=True) as connection:
            connection.execute(revoked)

    def used(self, hashes: set[str]) -> None:
        """Note that these were used just now."""
        with self._database.transaction(prompt=True) as connection:
            connection.execute(update(API_KEY).where(API_KEY.c.hash.in_(sorted(hashes))).values(used_at=time.time()))


class KeyRing:
    """The keys as one process knows them: read again and again on a thread, so that no request waits
    for the ledger to tell who sends it."""

    def __init__(self, keys: ApiKeys) -> None:
        self._all = keys
        self._known: Mapping[str, ApiKey] = {}
        self._heard: float | None = None
        self._used: set[str] = set()
        self._away = "it is not open yet"

    def follow(self, over: Callable[[float], bool]) -> None:
        """Read them until `over(seconds)`, which waits, returns True."""
        while True:
            self._read()
            if over(EVERY):
                return

    def start(self, over: Callable[[float], bool]) -> threading.Thread:
        """The same on a thread, which is returned."""
        thread = threading.Thread(target=self.follow, args=[over], name="api-keys", daemon=True)
        thread.start()
        return thread

    @property
    def away(self) -> str:
        """Why nobody can be told from a stranger now; empty if all can."""
        fresh = self._heard is not None and time.monotonic() - self._heard < STALE
        return "" if fresh else self._away or "the API keys have not been read lately"

    def caller(self, key: str) -> str | None:
        """Whose key this is; None for one that opens nothing. Which hashes are known can't be told from how
        long it takes: nobody can choose the beginning of a key's hash."""
        found = self._known.get(hash_of(key))
        if found is None or not found.opens(time.time()):
            return None
        self._used.add(found.hash)
        return found.caller

    def _read(self) -> None:
        began = time.monotonic()
        try:
            self._known = {key.hash: key for key in self._all.all()}
            self._heard, self._away = began, ""
            self._note_use()
        except LedgerError as error:
            self._away = str(error)
        except Exception as error:
            log.exception("the API keys could not be read")
            self._away = f"{type(error).__name__}: {error}"

    def _note_use(self) -> None:
        used, self._used = self._used, set()
        long_ago = time.time() - USED
        noted = {key.hash for key in self._known.values() if key.hash in used and (key.used_at or 0.0) < long_ago}
        if noted:
            self._all.used(noted)
