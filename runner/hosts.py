"""Hosts as people write them: a name, an IPv4 address, or an IPv6 address in brackets.

Left out: connecting to them.
"""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address

LONGEST_NAME = 253
"""Characters of a name (RFC 1035, section 2.3.4)."""
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_BRACKETED = re.compile(r"\[(?P<address>[0-9A-Fa-f:.]+)(?P<zone>%[A-Za-z0-9_.-]{1,15})?\]")


def read_host(text: str) -> str:
    """The host that `text` names, an IPv6 address without its brackets, an international name
    in ASCII: fit for every function that connects or listens.

    Raises ValueError with a predicate for the user, which repeats nothing of `text`.
    """
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed is not None:
        _check_ipv6(bracketed["address"])
        return text[1:-1]
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if len(name) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in name.removesuffix(".").split(".")):
        raise ValueError("needs a host of letters, digits, '-', '_' and '.', or an IPv6 address in brackets")
    return name


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener there. Of names only `localhost` is known to be so."""
    address = host.partition("%")[0]
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address.rstrip(".").lower() == "localhost"


def family_of(host: str) -> socket.AddressFamily:
    """The kind of address to listen on at `host`: IPv4, unless it has none. Raises OSError if it
    has no address at all."""
    found = {family for family, *_ in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return socket.AF_INET if socket.AF_INET in found else socket.AF_INET6


def _check_ipv6(address: str) -> None:
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        raise ValueError("has brackets around what is no IPv6 address; write it as in [::1]") from None
