"""Who somebody is at the console, and what they may do: tokens, sessions, roles.

A browser's session is a random number in a cookie; what it stands for is kept here, in memory, so a
restart asks everybody again. Left out: requests (see `guard`), and where tokens are made (see
`commands/token.py`).
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from runner.hosts import is_loopback
from runner.pipeline import Console, ConsoleRole

LIFETIME = 12 * 3600.0
"""Seconds after its last use for which a session lasts."""
MOST_SESSIONS = 1000
"""More than that end the oldest."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at the console."""

    name: str
    """Empty: nobody is asked for one."""
    roles: frozenset[ConsoleRole]

    def may(self, role: ConsoleRole) -> bool:
        return role == "viewer" or role in self.roles


@dataclass(slots=True)
class _Session:
    person: Person
    used: float


class Access:
    """Of one console. Any thread may call any method."""

    def __init__(self, console: Console, *, production: bool) -> None:
        self._known = {token.hash: Person(token.name, frozenset(token.roles)) for token in console.tokens}
        self.stranger = None if console.tokens else _stranger(console, production=production)
        """Who somebody is without a token; None: nobody, and a token is asked for."""
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()
        """Guards the sessions."""
        self._secret = secrets.token_bytes(32)

    def person(self, session: str, bearer: str, *, uses: bool = True) -> Person | None:
        """By a session's number or a token, either of which may be empty. None: nobody is known by them. `uses`:
        whether the session lasts longer for it."""
        if self.stranger is not None:
            return self.stranger
        return self._in_session(session, uses=uses) or self._known.get(hash_of(bearer))

    def is_token(self, bearer: str) -> bool:
        """Whether it is one that a program sends: no browser does that by itself."""
        return hash_of(bearer) in self._known

    def log_in(self, token: str) -> str | None:
        """A new session for the owner of `token`; None: it opens nothing."""
        person = self._known.get(hash_of(token))
        if person is None:
            return None
        session = new_session()
        with self._lock:
            while len(self._sessions) >= MOST_SESSIONS:
                del self._sessions[min(self._sessions, key=lambda one: self._sessions[one].used)]
            self._sessions[hash_of(session)] = _Session(person, time.monotonic())
        return session

    def log_out(self, session: str) -> None:
        with self._lock:
            self._sessions.pop(hash_of(session), None)

    def seal_of(self, session: str) -> str:
        """What the forms of a session's pages have to bring, and no other site can know."""
        return hmac.new(self._secret, session.encode(errors="replace"), sha256).hexdigest()

    def is_sealed(self, session: str, seal: str) -> bool:
        return bool(session) and hmac.compare_digest(self.seal_of(session).encode(), seal.encode(errors="replace"))

    def _in_session(self, session: str, *, uses: bool) -> Person | None:
        if not session:
            return None
        now, key = time.monotonic(), hash_of(session)
        with self._lock:
            found = self._sessions.get(key)
            if found is None:
                return None
            if now - found.used > LIFETIME:
                del self._sessions[key]
                return None
            if uses:
                found.used = now
            return found.person


def new_session() -> str:
    return secrets.token_urlsafe(24)


def hash_of(text: str) -> str:
    """As it is kept. Tokens and sessions are random, so they need no salt."""
    return sha256(text.encode(errors="replace")).hexdigest()


def _stranger(console: Console, *, production: bool) -> Person:
    """On the developer's own machine one operates at once. Sealed fields are opened only to names."""
    trusted = is_loopback(console.listen.host) and not production
    return Person("", frozenset[ConsoleRole]({"viewer", "operator"} if trusted else {"viewer"}))


def cookies_of(header: str) -> Mapping[str, str]:
    """The cookies of a request. What is malformed is left out."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, _, value in pairs if name and value}
