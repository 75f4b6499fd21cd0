"""Any gateway that takes a charge as JSON by POST, and honours `Idempotency-Key`.

Left out: what its answers mean, which its settings say (see `answers.py`).
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from runner import Pause, Reject, Retry
from stages.gateways.answers import DEFAULT_ANSWERS, rules, understood
from stages.gateways.contract import Charge, Result

if TYPE_CHECKING:
    from stages.gateways.exchange import Answer, Server

_OURS = ("content-type", "content-length", "host", "idempotency-key", "connection", "transfer-encoding")
_NOT_FOUND = 404
_OUT_OF_REACH, _OUT_OF_ORDER = 10.0, 60.0
"""Seconds."""


class HttpGateway:
    """Posts charges to `url`, each with its key as `Idempotency-Key`.

    `headers`: further ones, such as `Authorization`. `answers`: what an answer means, as a list
    of entries of which the first that fits is taken; None: the gateway answers in this pipeline's
    own words. `look_up_url`: where to `GET` a charge, with `{key}` in it; 404 means that there is
    none. `timeout`: seconds for an answer, the opening of the connection included. `ca_file`
    (PEM): the authorities to trust instead of the system's.

    Raises ValueError for settings that are wrong, alone or together.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        answers: Sequence[Mapping[str, Any]] | None = None,
        look_up_url: str = "",
        ca_file: Path | None = None,
    ) -> None:
        self._url = _Url("url", url)
        self._look_up = _Url("look_up_url", look_up_url) if look_up_url else None
        if self._look_up is not None and "{key}" not in self._look_up.path:
            raise ValueError("look_up_url must have {key} in it, which stands for the key of the charge")
        self._headers = _checked(headers or {})
        self._rules = rules(DEFAULT_ANSWERS if answers is None else answers)
        self._timeout = timeout
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        if ca_file is not None:
            self._context()  # now, so that a check finds a file that can't be used

    def charge(self, charge: Charge) -> Result:
        """Raises Retry, Reject and Pause, as `Gateway` says."""
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": _key(charge.key)}
        answer = self._ask(self._url, "POST", self._url.path, headers, json.dumps(_body(charge)).encode())
        return understood(answer, self._rules)

    def look_up(self, key: str) -> Result | None:
        """As `charge`. Raises Reject without `look_up_url`: nothing is known then."""
        if self._look_up is None:
            raise Reject("what became of the charge is unknown, and without look_up_url the gateway can't be asked")
        path = self._look_up.path.replace("{key}", quote(_key(key), safe=""))
        answer = self._ask(self._look_up, "GET", path, self._headers, None)
        return None if answer.status == _NOT_FOUND else understood(answer, self._rules)

    def _ask(self, url: _Url, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        from stages.gateways.exchange import NoAnswerError, UntrustedError

        try:
            return self._server(url).ask(method, path, headers, body, timeout=self._timeout)
        except UntrustedError as error:
            hint = "Correct url, or name its authority by ca_file."
            raise Pause(f"{url}: its certificate can't be trusted: {error}. {hint}", delay=_OUT_OF_ORDER) from error
        except NoAnswerError as error:
            if not error.sent:
                raise Pause(f"{url} {error}", delay=_OUT_OF_REACH) from error
            unknown = "whether the card was charged is unknown until it is asked again"
            raise Retry(f"{url} {error}: {unknown}") from error

    def _server(self, url: _Url) -> Server:
        from stages.gateways.exchange import Server

        return Server(url.host, url.port, self._context() if url.is_encrypted else None)

    def _context(self) -> ssl.SSLContext:
        """Verifies the certificate and its name. Raises ValueError for a bad `ca_file`."""
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self._ca_file)
            except (ssl.SSLError, OSError) as error:
                raise ValueError(f"ca_file: {self._ca_file} holds no certificates in PEM form: {error}") from error
        return self._tls


class _Url:
    """Raises ValueError for one that isn't fit for card numbers."""

    def __init__(self, setting: str, text: str) -> None:
        example = "such as https://gateway.example.com/charges"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{setting} is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[!-~]+", text):
            raise ValueError(f"{setting} must be an https:// URL in ASCII, {example}")
        if parts.username is not None or parts.fragment:
            raise ValueError(f"{setting} must have no user, password or fragment; log in by headers")
        self.is_encrypted = parts.scheme == "https"
        self.host = parts.hostname
        if not self.is_encrypted and not re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", self.host):
            raise ValueError(f"{setting}: card numbers would go to {self.host} in the clear; use https://")
        self.port = port or (443 if self.is_encrypted else 80)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def __str__(self) -> str:
        return f"the gateway {self.host}:{self.port}"


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or name.lower() in _OURS:
            raise ValueError(f"headers: {name!r} can't be set here")
        if not re.fullmatch(r"[ -~]*", value):
            raise ValueError(f"headers: the value of {name} must be one line of ASCII")
    return dict(headers)


def _key(key: str) -> str:
    """The key as a header can have it: another program's message id may be any text."""
    return key if re.fullmatch(r"[A-Za-z0-9._~:-]{1,200}", key) else sha256(key.encode()).hexdigest()


def _body(charge: Charge) -> dict[str, Any]:
    """The charge as the gateway gets it, without what it has not."""
    card = {"number": charge.card, "expiry": charge.expiry}
    body = {
        "amount": charge.amount,
        "currency": charge.currency,
        "reference": charge.reference,
        "card": _given(card) if charge.card is not None else None,
        "token": charge.token,
        "metadata": dict(charge.metadata) or None,
    }
    return _given(body)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
