"""E-mail addresses in texts for people, cut to what still helps to find them.

An address names a person. A log shows its first character and its domain, which is enough
to tell a mail server that refuses from a payer who mistyped.
"""

from __future__ import annotations

import re

_ATOM = r"[\w.!#$%&'*+/=?^`{|}~-]"
_ADDRESS = re.compile(
    rf"""
    (?P<kept> (?<![a-z0-9+.-]) [a-z][a-z0-9+.-]{{0,30}}+ :// [^\s/?\#@]*+ @  # the user of a URL: amqp://user@host
            | (?<!{_ATOM}) [0-9a-f]{{32}} (?:\.\w++)*+ @                 # a Message-ID of ours
    )
    | (?<!{_ATOM})(?P<local> {_ATOM}++ | (?<!\\)"(?:[^"\\\n]|\\.){{1,64}}+" ) @ (?=[\w\[])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENCODED = re.compile(
    r"(?<![\w.+-])(?P<first>[\w.+-])[\w.+-]*+(?P<at>%40|＠|﹫|\\u0040|&\#(?:64|x40);|&commat;)(?=[\w\[])", re.IGNORECASE
)
"""With another `@`: in a query (`?email=jane%40example.com`, as HTTP libraries log it), in JSON, in HTML."""


def mask_addresses(text: str) -> str:
    """`text` with the local part of each address cut to its first character: `t•••@example.com`.

    Our own Message-IDs stay, and so does the user in a URL, who is not a payer.
    """
    plain = _ADDRESS.sub(_masked, text) if "@" in text else text
    return _ENCODED.sub(r"\g<first>•••\g<at>", plain)


def _masked(found: re.Match[str]) -> str:
    if found["kept"]:
        return found[0]
    quote = "'" if found["local"].startswith("'") else ""
    return f"{quote}{found['local'].lstrip(chr(39) + chr(34))[:1]}•••@"
