"""E-mail addresses in texts for people, cut to what still helps to find them.

An address names a person. A log shows its first character and its domain, which is enough
to tell a mail server that refuses from a payer who mistyped.
"""

from __future__ import annotations

import re

_ATOM = r"[\w.!#$%&'*+/=?^`{|}~\u00ad\u200b-\u200d\u2060\ufeff-]"
"""With what is invisible: mail servers take it out, or not."""
_ADDRESS = re.compile(
    rf"""
    (?P<kept> (?<![a-z0-9+.-]) [a-z][a-z0-9+.-]{{0,30}}+ :// [^\s/?\#@]*+ @  # the user of a URL: amqp://user@host
            | (?<!{_ATOM}) [0-9a-f]{{32}} (?:\.\w++)*+ @                 # a Message-ID of ours
    )
    | (?<!{_ATOM})(?P<local> {_ATOM}++ | (?<!\\)"(?:[^"\\\n]|\\.){{1,64}}+" | \\"[^"\\\n]{{1,64}}+\\" )
      @ (?=[\w\[])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENCODED = re.compile(
    r"""
    (?<![\w.+-])(?P<first>[\w.+-])[\w.+-]*+
    (?P<at> %(?:25)*+40 | %EF%BC%A0 | =EF=BC=A0 | [＠﹫] | &(?:amp;)*+(?:\#0{0,5}64 | \#x0{0,4}40 | commat);
          | \\++(?:u0040 | u\{0{0,4}40\} | x40 | @)
          | (?: =40 | \\++100 | [ ]?(?:\(at\) | \[at\])[ ]? )(?=[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.[a-z]{2}) )
    (?=[\w\[])
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""With another `@`: in a query (`?email=jane%40example.com`, as HTTP libraries log it), in JSON, in HTML, in a
mail, in a program's text, or as people write it who hide it from others."""


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
    first = found["local"].lstrip("'\"\\")[:1]
    return f"{quote}{first}•••@"
