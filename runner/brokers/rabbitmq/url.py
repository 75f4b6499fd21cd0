"""RabbitMQ's URLs: read, checked without a connection, and shown.

`check` and `run` read them here, once each. No error ever repeats a part of a URL: what
looks like the host may be half a password.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.hosts import read_host
from runner.privacy.redaction import hide_password
from runner.wording import did_you_mean, quoted

EXAMPLES = ("amqp://user:password@host/vhost", "amqps://…")
TAKES_BACK_AFTER = 1800.0
"""Its default (rabbitmq.com/docs/consumers#acknowledgement-timeout)."""
ALONE = ""
"""Several URLs are the nodes of one cluster."""

ParameterKind = Literal["TLS file", "TLS", "seconds"]

PARAMETERS: Mapping[str, ParameterKind] = {
    "cacertfile": "TLS file",
    "certfile": "TLS file",
    "keyfile": "TLS file",
    "server_name_indication": "TLS",
    "heartbeat": "seconds",
    "connection_timeout": "seconds",
}
"""The query parameters of RabbitMQ's own URI scheme that concern a client here
(rabbitmq.com/docs/uri-query-parameters), and what they are of."""

_AMQP = re.compile(
    r"(?P<scheme>amqps?)://(?:(?P<user>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<vhost>/[^@?#]*)?(?P<query>\?[^@#]*)?"
)
_HOST = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]{1,5}))?")
_SECONDS = re.compile(r"[1-9][0-9]{0,4}")
LONGEST_SECONDS = 65_535
"""Of a heartbeat: AMQP has 16 bits for it."""
LONGEST_VHOST = 255
"""Bytes: AMQP's short string."""


def nodes(text: str) -> tuple[BrokerNode, ...]:
    """The nodes that a URL stands for: one for each host of `amqp://a,b/vhost`.

    Raises ValueError with a sentence for the user, whose subject is the URL.
    """
    match = _AMQP.fullmatch(text)
    if match is None:
        raise ValueError(
            "can't be read as a URL; in a user or password write '@' as %40, '/' as %2F, '?' as %3F, '#' as %23"
        )
    query = _query(match["scheme"], match["query"] or "")
    return tuple(_node(match, host, query) for host in match["hosts"].split(","))


def parse(text: str, folder: Path) -> tuple[str, ...]:
    """The URLs that `text` stands for, one for each node. Raises ValueError as `nodes` does, and
    where a certificate that it names can't be used."""
    found = nodes(text)
    if found[0].cacertfile or found[0].certfile:
        found[0].tls_context()
    return tuple(node.url for node in found)


def shown(url: str, folder: Path) -> str:
    """The URL without its password."""
    return hide_password(url)


def described(urls: Sequence[str], *, variable: str | None) -> str:
    """What `runner run` prints about the broker."""
    return ", ".join(hide_password(url) for url in urls)


def _node(match: re.Match[str], written: str, query: Mapping[str, str]) -> BrokerNode:
    found = _HOST.fullmatch(written)
    if found is None or not found["host"] or not 0 < int(found["port"] or 1) < 65_536:
        raise ValueError(
            "needs a host, or several separated by commas, each with or without a port, such as amqp://a:5672,b/vhost"
        )
    tls = match["scheme"] == "amqps"
    user, _, password = (match["user"] or "").partition(":")
    credentials = f"{match['user']}@" if match["user"] is not None else ""
    return BrokerNode(
        url=f"{match['scheme']}://{credentials}{written}{match['vhost'] or ''}{match['query'] or ''}",
        host=read_host(_decoded(found["host"])).lower(),
        port=int(found["port"] or (5671 if tls else 5672)),
        vhost=_vhost(match["vhost"] or "/"),
        user=_name(user, "user") or "guest",
        password=_password(password) or "guest",
        tls=tls,
        cacertfile=query.get("cacertfile"),
        certfile=query.get("certfile"),
        keyfile=query.get("keyfile"),
        server_name_indication=query.get("server_name_indication"),
        heartbeat=int(query["heartbeat"]) if "heartbeat" in query else None,
        connection_timeout=int(query["connection_timeout"]) if "connection_timeout" in query else None,
    )


def _decoded(text: str) -> str:
    """`text` with its percent-encoding resolved."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a percent-encoding that isn't UTF-8; write é as %C3%A9, and '%' as %25") from None


def _name(text: str, what: str) -> str:
    """A user or a virtual host, which is shown in lists and logs."""
    name = _decoded(text)
    if not name.isprintable():
        raise ValueError(f"has a {what} with a character that can't be printed; choose another name")
    return name


def _password(text: str) -> str:
    password = _decoded(text)
    if "\0" in password:  # it ends a word of SASL's PLAIN (RFC 4616)
        raise ValueError("has a password with a NUL, which no broker takes; choose another")
    return password


def _vhost(path: str) -> str:
    """The virtual host that a path names. Many write '//' for the one that is called '/'."""
    written = path[1:]
    if "/" in written and written != "/":
        raise ValueError("has a '/' in the name of its virtual host; write it as %2F, or remove the rest")
    name = _name(written, "virtual host") or "/"
    if len(name.encode()) > LONGEST_VHOST:
        raise ValueError(f"has a virtual host of more than {LONGEST_VHOST} bytes, which AMQP can't name")
    return name


def _query(scheme: str, text: str) -> dict[str, str]:
    """The parameters, each checked."""
    found = {}
    for part in filter(None, text.removeprefix("?").split("&")):
        name, _, value = part.partition("=")
        found[name] = _decoded(value)
        _check(scheme, name, found[name])
    if "keyfile" in found and "certfile" not in found:
        raise ValueError("has the parameter 'keyfile' without 'certfile', the certificate that it is the key of")
    return found


def _check(scheme: str, name: str, value: str) -> None:
    if name not in PARAMETERS:
        hint, known = did_you_mean(name, PARAMETERS), ", ".join(PARAMETERS)
        raise ValueError(f"has the parameter {quoted(name)}, which isn't known{hint}; known: {known}")
    kind = PARAMETERS[name]
    if kind == "seconds" and not (_SECONDS.fullmatch(value) and int(value) <= LONGEST_SECONDS):
        raise ValueError(
            f"needs a whole number of seconds for '{name}', from 1 to {LONGEST_SECONDS}, such as {name}=30"
        )
    if kind in ("TLS", "TLS file") and scheme != "amqps":
        raise ValueError(f"has the parameter '{name}', which is for TLS; write amqps://")
    if name == "server_name_indication":
        read_host(value)
    if kind == "TLS file" and not (value.startswith("/") and _is_file(value)):
        raise ValueError(f"needs the absolute path of a file for '{name}', which {quoted(value)} is not")


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False
