"""Where a gateway is: a URL that is fit for card numbers, and a request to it.

A request that has no answer becomes an order of the stage. Left out: what an answer means (see
`answers.py`), and how it comes (see `exchange.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner import Pause, Retry

if TYPE_CHECKING:
    import ssl

    from stages.gateways.exchange import Answer

_EXAMPLE = "such as https://gateway.example.com/charges"
_OUT_OF_REACH, _OUT_OF_ORDER = 10.0, 60.0
"""Seconds."""


class Address:
    """`url`: https, or http on this machine. `timeout`: seconds that a request may take in all,
    from the look-up of the host's name to the last byte of the answer. `ca_file` (PEM): the
    authorities whose certificates are trusted instead of the system's.

    Raises ValueError, which begins with `setting`.
    """

    def __init__(self, url: str, *, timeout: float, ca_file: Path | None = None, setting: str = "url") -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{setting} is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[!-~]+", url):
            raise ValueError(f"{setting} must be an https:// URL in ASCII, {_EXAMPLE}")
        if parts.username is not None or parts.fragment:
            raise ValueError(f"{setting} must have no user, password or fragment; log in by headers")
        self._is_encrypted = parts.scheme == "https"
        self.host = parts.hostname
        if not self._is_encrypted and not re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", self.host):
            raise ValueError(f"{setting}: card numbers would go to {self.host} in the clear; use https://")
        self.port = port or (443 if self._is_encrypted else 80)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        """With the query."""
        self._timeout = timeout
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        if ca_file is not None:
            self._context()  # now, so that a check finds a file that can't be used

    def __str__(self) -> str:
        return f"the gateway {self.host}:{self.port}"

    def ask(
        self, method: str, headers: Mapping[str, str], body: bytes | None = None, *, path: str | None = None
    ) -> Answer:
        """The answer to one request, at another `path` if there is one. Raises Retry if the gateway
        may have got the request and gives no whole answer; Pause if it certainly has got nothing."""
        from stages.gateways.exchange import NoAnswerError, Server, UntrustedError

        server = Server(self.host, self.port, self._context() if self._is_encrypted else None)
        try:
            return server.ask(method, path or self.path, headers, body, timeout=self._timeout)
        except UntrustedError as error:
            hint = "Correct url, or name its authority by ca_file."
            raise Pause(f"{self}: its certificate can't be trusted: {error}. {hint}", delay=_OUT_OF_ORDER) from error
        except NoAnswerError as error:
            if not error.sent:
                raise Pause(f"{self} {error}", delay=_OUT_OF_REACH) from error
            unknown = "whether the card was charged is unknown until it is asked again"
            raise Retry(f"{self} {error}: {unknown}") from error

    def _context(self) -> ssl.SSLContext:
        """Verifies the certificate and its name. Raises ValueError for a bad `ca_file`."""
        import ssl  # takes 20 ms, which the check of a gateway on this machine needn't spend

        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self._ca_file)
            except (ssl.SSLError, OSError) as error:
                raise ValueError(f"ca_file: {self._ca_file} holds no certificates in PEM form: {error}") from error
        return self._tls
