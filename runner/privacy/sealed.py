"""A sealed value as text: its token, which travels; and what a handler gets for it.

    sealed.1.KEY.NONCE.CIPHERTEXT.MASK      KEY: its id; NONCE, CIPHERTEXT: base64

The mask is what everybody may see, and is authenticated together with the rest. Left out:
the cryptography (see `runner.privacy.sealing`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from runner.privacy.card_numbers import mask_card_numbers

Show = Literal["hidden", "email", "last4"]
"""What of a value its mask shows."""
SHOWS: tuple[Show, ...] = get_args(Show)

PREFIX = "sealed.1."
"""Of every token: what it is, and its version."""
SIGN = PREFIX.encode()
DOTS = "····"
HIDDEN = DOTS * 2
"""The mask that shows nothing, not even the length."""
_HINT = "···"
_SHOWN = 4
"""Characters at the end. A value has to have twice as many: at most half of it is shown."""

_LIKE_A_TOKEN = re.compile(r"sealed\.[0-9]+\.")
_FORMS: Mapping[Show, re.Pattern[str]] = {
    "hidden": re.compile(HIDDEN),
    "last4": re.compile(rf"{HIDDEN}|{DOTS}.{{{_SHOWN}}}", re.DOTALL),
    "email": re.compile(rf"{HIDDEN}|.?{_HINT}@[^@]*", re.DOTALL),
}
_ANY_FORM = re.compile("|".join(form.pattern for form in _FORMS.values()), re.DOTALL)
_TOKEN = re.compile(
    rf"{re.escape(PREFIX)}([a-z0-9]{{1,32}})\.([\w+/]{{16}})\.([\w+/]{{22,}}={{0,2}})\.({_ANY_FORM.pattern})",
    re.DOTALL | re.ASCII,
)
"""The parts of `Token`, in their order."""


class Token(NamedTuple):
    """The parts of a token; the first three as they are written."""

    key: str
    nonce: str
    ciphertext: str
    mask: str


def read_token(text: str) -> Token | None:
    """The parts of `text`; None if it isn't a token, or shows more than any mask does."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else Token(*found.groups())


def fits(token: Token, show: Show) -> bool:
    """Whether its mask shows no more than `show` allows."""
    return _FORMS[show].fullmatch(token.mask) is not None


def looks_sealed(text: str) -> bool:
    """Whether `text` begins as a token does, of this version or another one."""
    return _LIKE_A_TOKEN.match(text) is not None


def mask_of(value: str, show: Show) -> str:
    """What may be shown of `value`: `····3456`, `t···@example.com`, or only dots."""
    if show == "last4" and len(value) >= 2 * _SHOWN:
        return DOTS + value[-_SHOWN:]
    if show == "email" and "@" in value:
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}{_HINT}@{domain}"
    return HIDDEN


def is_mask(text: str) -> bool:
    """Whether `text` is what a mask looks like, so that sealing it would lose the value for good."""
    return _ANY_FORM.fullmatch(text) is not None


def as_shown(value: Any) -> Any:
    """A JSON value with the mask of each token in it, and at most the last four digits of a card number
    that nobody has marked: for people, and for what is kept about a message."""
    if isinstance(value, dict):
        return {mask_card_numbers(name): as_shown(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_shown(item) for item in value]
    if not isinstance(value, str | int):
        return value
    token = read_token(value) if isinstance(value, str) else None
    shown = mask_card_numbers(str(value)) if token is None else token.mask
    return value if shown == str(value) else shown


class Home(NamedTuple):
    """Where a sealed value belongs."""

    id: str
    """Of its message, without the numbers of a list."""
    path: str
    """In the body (RFC 6901)."""


class Masked(str):
    """A sealed value for a handler that doesn't reveal it: its mask, however it is written.

    When a handler returns it where it stood, its token travels on.
    """

    __slots__ = ("home", "token")

    home: Home
    token: str

    def __new__(cls, mask: str, token: str, home: Home) -> Masked:
        self = super().__new__(cls, mask)
        self.token, self.home = token, home
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # copies stay what they are
        return type(self), (str(self), self.token, self.home)


class Revealed(str):
    """A sealed value for a handler that reveals it: the value itself, whose `repr` is the mask."""

    __slots__ = ("home", "mask", "token")

    home: Home
    mask: str
    token: str

    def __new__(cls, value: str, mask: str, token: str, home: Home) -> Revealed:
        self = super().__new__(cls, value)
        self.mask, self.token, self.home = mask, token, home
        return self

    def __repr__(self) -> str:
        return repr(self.mask)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.mask, self.token, self.home)
