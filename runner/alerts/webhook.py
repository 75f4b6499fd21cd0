"""A notice as an HTTP request: JSON, signed as Standard Webhooks has it if there is a secret."""

from __future__ import annotations

import hmac
import http.client
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import orjson

from runner.alerts.conditions import Notice
from runner.errors import Reject
from runner.pipeline import Webhook

TIMEOUT = 15.0
"""Seconds to reach an address of the receiver, and then for all the rest: one that sends a byte now and then
holds up its notices for no longer."""
PASSING = (408, 425, 429)
"""Statuses below 500 that mean: not now."""


class NotTakenError(Exception):
    """The receiver didn't take it, and may later."""


class Webhooks:
    """To one URL; `pipeline` is the name in the body. Redirects are not followed."""

    name = "webhook"

    def __init__(self, pipeline: str, webhook: Webhook) -> None:
        self._pipeline = pipeline
        self._webhook = webhook
        self._url = urlsplit(webhook.url)

    def send(self, notice: Notice) -> None:
        status = self._posted(body_of(self._pipeline, notice), notice.id)
        if status in PASSING or status >= 500:
            raise NotTakenError(f"{self._url.hostname} answers {status}")
        if not 200 <= status < 300:
            raise Reject(f"{self._url.hostname} answers {status}")

    def _posted(self, body: bytes, id: str) -> int:
        url, host = self._url, self._url.hostname or ""
        encrypted = url.scheme == "https"
        kind = http.client.HTTPSConnection if encrypted else http.client.HTTPConnection
        link, over = kind(host, url.port), threading.Event()
        try:
            with socket.create_connection((host, link.port), TIMEOUT) as line, _cut_after(TIMEOUT, line, over):
                link.sock = ssl.create_default_context().wrap_socket(line, server_hostname=host) if encrypted else line
                path = (url.path or "/") + (f"?{url.query}" if url.query else "")
                link.request("POST", path, body, dict(self._headers(body, id)))
                status = link.getresponse().status  # of half an answer, too
        except (OSError, http.client.HTTPException) as error:
            if not over.is_set():
                raise NotTakenError(f"{host} doesn't answer: {error or type(error).__name__}") from error
        finally:
            link.close()
        if over.is_set():
            raise NotTakenError(f"{host} doesn't answer within {TIMEOUT:g} s")
        return status

    def _headers(self, body: bytes, id: str) -> Mapping[str, str]:
        now = str(int(time.time()))
        headers = {"Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": now}
        if self._webhook.secret is None:
            return headers
        signature = hmac.digest(self._webhook.secret, f"{id}.{now}.".encode() + body, "sha256")
        return {**headers, "webhook-signature": f"v1,{b64encode(signature).decode()}"}


@contextmanager
def _cut_after(seconds: float, line: socket.socket, over: threading.Event) -> Iterator[None]:
    """Cut `line` if this lasts longer, which `over` then tells; also after it was wrapped for TLS."""
    with line.dup() as same:

        def cut() -> None:
            over.set()
            with suppress(OSError):  # it has ended just now
                same.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def body_of(pipeline: str, notice: Notice) -> bytes:
    """A notice in JSON."""
    return orjson.dumps(
        {
            "type": "alert.firing" if notice.firing else "alert.resolved",
            "timestamp": _moment(notice.at),
            "data": {
                "pipeline": pipeline,
                "condition": notice.key.condition,
                "subject": notice.key.subject or None,
                "text": notice.text,
                "since": _moment(notice.since),
            },
        }
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
