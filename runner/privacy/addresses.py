"""E-mail addresses in texts that are written down, cut to what still helps to find them.

An address names a person: a log shows its first character and its domain, by which a
mail server that refuses can be told from a payer who mistyped.
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


def mask_addresses(text: str) -> str:
    """`text` with the local part of each address cut to its first character: `t•••@example.com`.

    A Message-ID of ours stays, and so does the user of a URL, who is none of the payers.
    """
    return _ADDRESS.sub(_masked, text) if "@" in text else text


def _masked(found: re.Match[str]) -> str:
    if found["kept"]:
        return found[0]
    quote = "'" if found["local"].startswith("'") else ""
    return f"{quote}{found['local'].lstrip(chr(39) + chr(34))[:1]}•••@"
