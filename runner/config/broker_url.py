"""The `broker` of a pipeline file: URLs, checked without a connection.

No part of a URL is ever repeated in an error: what was taken for the host may be
half a password.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from runner.privacy.redaction import hide_password
from runner.wording import did_you_mean, quoted

EMBEDDED = "embedded:"

PARAMETERS = {
    "cacertfile": "TLS file",
    "certfile": "TLS file",
    "keyfile": "TLS file",
    "server_name_indication": "TLS",
    "heartbeat": "seconds",
    "connection_timeout": "seconds",
}
"""The query parameters of RabbitMQ's own URI scheme that concern a client here
(rabbitmq.com/docs/uri-query-parameters), and what they are of."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_AMQP = re.compile(
    r"(?P<scheme>amqps?)://(?:(?P<user>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)(?P<vhost>/[^@?#]*)?(?P<query>\?[^@#]*)?"
)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%25[\w.-]+)?\]|[^\s:\[\]]+)(?::(?P<port>\d{1,5}))?")


def parse(text: str, folder: Path) -> tuple[str, ...]:
    """The URLs that `text` stands for: one for each host of `amqp://a,b/vhost`, or one
    `embedded:` with an absolute path, relative ones starting at `folder`.

    Raises ValueError with a sentence for the user.
    """
    if text.startswith(EMBEDDED):
        return (EMBEDDED + str(_database(text.removeprefix(EMBEDDED), folder)),)
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise ValueError("is no URL; write embedded:PATH, amqp://user:password@host/vhost or amqps://…")
    if scheme[1] not in ("amqp", "amqps"):
        raise ValueError(f"has the scheme '{scheme[1]}', which isn't known; known are embedded:, amqp:// and amqps://")
    return _nodes(text)


def shown(url: str, folder: Path) -> str:
    """A URL fit to be shown: without its password, a path below `folder` relative to it."""
    if not url.startswith(EMBEDDED):
        return hide_password(url)
    path = Path(url.removeprefix(EMBEDDED))
    return EMBEDDED + str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _database(path: str, folder: Path) -> Path:
    if not path or path.startswith("//"):
        raise ValueError("needs a path behind 'embedded:', such as embedded:var/broker.db")
    database = folder / path
    if database.is_dir():
        raise ValueError(f"names the folder {database}; write the path of a file")
    return database


def _nodes(text: str) -> tuple[str, ...]:
    match = _AMQP.fullmatch(text)
    if match is None:
        raise ValueError(
            "can't be read as a URL; in a user or password write '@' as %40, '/' as %2F, '?' as %3F, '#' as %23"
        )
    _check_query(match["scheme"], match["query"] or "")
    user = f"{match['user']}@" if match["user"] is not None else ""
    hosts = match["hosts"].split(",")
    for host in hosts:
        node = _HOST.fullmatch(host)
        if node is None or not 0 < int(node["port"] or 1) < 65_536:
            raise ValueError(
                "needs a host, or several parted by commas, each with a port or without, such as amqp://a:5672,b/vhost"
            )
    rest = (match["vhost"] or "") + (match["query"] or "")
    return tuple(f"{match['scheme']}://{user}{host}{rest}" for host in hosts)


def _check_query(scheme: str, query: str) -> None:
    for part in filter(None, query.removeprefix("?").split("&")):
        name, _, value = part.partition("=")
        if name not in PARAMETERS:
            hint, known = did_you_mean(name, PARAMETERS), ", ".join(PARAMETERS)
            raise ValueError(f"has the parameter {quoted(name)}, which isn't known{hint}; known are {known}")
        kind = PARAMETERS[name]
        if kind == "seconds" and not (value.isdecimal() and int(value)):
            raise ValueError(f"needs a whole number of seconds for '{name}', such as {name}=30")
        if kind.startswith("TLS") and scheme != "amqps":
            raise ValueError(f"has the parameter '{name}', which is for TLS; write amqps://")
        if kind == "TLS file" and not (Path(unquote(value)).is_absolute() and Path(unquote(value)).is_file()):
            raise ValueError(f"needs the absolute path of a file for '{name}', which {quoted(unquote(value))} is not")
