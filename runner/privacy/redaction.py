"""What must not be shown: passwords in broker URLs, settings whose name says so.

Only the rules; sealing a message's own fields is not its business.
"""

from __future__ import annotations

import re

HIDDEN = "********"
_SECRET = re.compile(r"auth|credentials?|(api)?keys?|pass(phrase|w(or)?d)|pw|secrets?|tokens?", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^/?#:]*):[^/?#]*@")


def is_secret(name: str) -> bool:
    """Whether a setting of this name probably holds a secret: `api_key`, `mailPassword`."""
    return any(_SECRET.fullmatch(word) for word in _WORD.findall(name))


def hide_password(url: str) -> str:
    """`url` with its password, if it has one, replaced: `amqp://user:********@host`."""
    return _USERINFO.sub(rf"\g<scheme>\g<user>:{HIDDEN}@", url)
