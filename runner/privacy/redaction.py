"""What must not be shown: passwords in URLs, settings whose name says so, values of variables.

Left out: the fields of messages.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "********"
_SECRET = re.compile(
    r"auth(entication|orization)?|bearer|cookies?|credentials?|(api)?keys?|pass(code|phrase|w(or)?d)?s?|pins?|pwd?s?"
    r"|secrets?|sig(nature)?|tokens?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_SCHEME = r"(?P<begin>[A-Za-z][A-Za-z0-9+.-]*://"
_PASSWORDS = (
    re.compile(rf"^{_SCHEME}[^:]*):.*[@＠﹫]", re.DOTALL),
    re.compile(rf"{_SCHEME}[^:\s]*):\S*[@＠﹫]"),
)
"""Of a text that is a URL, up to the last @ in it; of one that holds URLs, up to the last @ of
each. People write passwords as they are, with slashes, brackets and spaces, so no other
character ends one."""
_PARAMETER = re.compile(r"(?<=[?&;])(?P<name>[\w.-]{1,60})=[^&;#\s'\"]+")
_WITHIN = re.compile(
    r"(?P<begin>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,30}+://[^\s:/?#@]{0,256}+):[^\s/@]{1,256}+(?=@)"
)
"""A password in a URL, in a text of any length that others wrote: linear, and ended by a slash."""
_LEAST = 8
"""Characters of a secret that is removed from every text: a shorter one may be a word of others."""
_FEW, _MANY = 4, 12
"""Characters of a word: a shorter one may be part of others by chance (`on`, `25`); of one this
long, a cut text may show the beginning."""


def is_secret(name: str) -> bool:
    """Whether a setting of this name probably holds a secret: `api_key`, `mailPassword`."""
    return any(_SECRET.fullmatch(word) for word in _WORD.findall(name))


def hide_password(url: str) -> str:
    """`url` with its password and the secrets in its query replaced:
    `amqp://user:********@host`, `https://host/?token=********`."""
    for password in _PASSWORDS:
        url = password.sub(rf"\g<begin>:{HIDDEN}@", url)
    return hide_parameters(url)


def hide_within(text: str) -> str:
    """`text` without the passwords of the URLs that it quotes."""
    return _WITHIN.sub(rf"\g<begin>:{HIDDEN}", text) if "://" in text else text


def hide_parameters(text: str) -> str:
    """`text` without the secrets in the queries that it quotes: `?token=********`."""
    return _PARAMETER.sub(_hide_parameter, text) if "=" in text else text


def _hide_parameter(parameter: re.Match[str]) -> str:
    return f"{parameter['name']}={HIDDEN}" if is_secret(parameter["name"]) else parameter[0]


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without the words of `secrets`: it may quote a line of a key, or the beginning of
    one, or write unprintable characters as escapes."""
    words = {form for secret in secrets for word in secret.split() for form in _forms(word)}
    patterns = [_pattern(word) for word in sorted(words, key=len, reverse=True)]
    return re.sub("|".join(patterns), HIDDEN, text) if patterns else text


def _forms(word: str) -> set[str]:
    return {word, repr(word)[1:-1], ascii(word)[1:-1]}


def _pattern(word: str) -> str:
    if len(word) < _FEW:
        return rf"(?<!\w){re.escape(word)}(?!\w)"
    return re.escape(word) if len(word) < _MANY else rf"{re.escape(word[: _MANY - _FEW])}[^\s'\"]*"


class Withheld:
    """The secrets that handlers of this process have got: they may quote them in a log line or an error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secrets: Iterable[str]) -> None:
        new = {secret for secret in secrets if len(secret) >= _LEAST} - self._secrets
        if new:
            with self._lock:
                self._secrets |= new
                forms = {form for secret in self._secrets for form in (*_forms(secret), quote(secret, safe=""))}
                self._pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))

    def hide(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern is not None else text


WITHHELD = Withheld()
"""Those of this process."""
