"""A client for the intake's tests: one connection for each request, and nothing hidden."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    text: str

    @property
    def mimetype(self) -> str:
        return self.headers.get_content_type()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Asks whatever listens on `port` of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: Any, *, content_type: str = "application/json") -> Answer:
        """`body` is sent as it is, if it is bytes; else as JSON."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, payload, {"Content-Type": content_type})

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """`body` may be an iterable of bytes, which is sent in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()
