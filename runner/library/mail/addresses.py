"""Is a text exactly one e-mail address that can be mailed to, and may it stand in a header?

Asked before anything is sent: smtplib silently takes the first of `a@x, b@y`, and turns
an empty text into `RCPT TO:<>`.
"""

from __future__ import annotations

import re

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""RFC 5321, `Dot-string`; quoted local parts, which nobody has, are refused."""
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NAMED = re.compile(r"(?:(?P<name>[^<>]*?)\s*<(?P<inner>[^<>]*)>|(?P<bare>[^<>]*))")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def is_one_line(text: str) -> bool:
    """Whether `text` has no character that a mail program might take for a line's end or worse."""
    return _CONTROL.search(text) is None


def named_address(text: str) -> tuple[str, str]:
    """Name and address of `Shop <shop@example.com>`; an address alone has an empty name.

    Raises ValueError with the reason.
    """
    match = _NAMED.fullmatch(text.strip())
    if match is None or not is_one_line(text):
        raise ValueError("the text is neither an address nor Name <address>")
    address = bare_address(match["bare"] if match["inner"] is None else match["inner"])
    return (match["name"] or "").strip('" '), address


def bare_address(text: object) -> str:
    """`text` as SMTP needs it: an international domain in its xn-- form.

    Raises ValueError with the reason, which doesn't repeat the text.
    """
    if not isinstance(text, str) or not text:
        raise ValueError("there is no address")
    local, at, domain = text.rpartition("@")
    if not at:
        raise ValueError("the address has no @")
    if not text.isprintable() or re.search(r"[\s,;<>\"()\\\[\]@:]", local + domain):
        raise ValueError("the text is not one bare address (it has a space, a comma, brackets or a control character)")
    if not local.isascii():
        raise ValueError("the part before the @ is not ASCII, which few mail servers take (RFC 6531)")
    if len(local) > 64 or not _LOCAL.fullmatch(local):
        raise ValueError("the part before the @ is not as RFC 5321 wants it")
    address = f"{local}@{_ascii(domain)}"
    if len(address) > 254:
        raise ValueError("the address is longer than 254 characters")
    return address


def _ascii(domain: str) -> str:
    try:
        name = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError("the part after the @ is not a domain name") from error
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("the part after the @ is not a domain name")
    return name
