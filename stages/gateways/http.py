"""Any gateway that takes a charge as JSON by POST, and honours `Idempotency-Key`.

Left out: what its answers mean, which its settings say (see `answers.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner import Reject
from stages.gateways.address import Address
from stages.gateways.answers import DEFAULT_ANSWERS, rules, understood
from stages.gateways.contract import Charge, Result

_OURS = ("content-type", "content-length", "host", "idempotency-key", "connection", "transfer-encoding")
_NOT_FOUND = 404


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
        self._address = Address(url, timeout=timeout, ca_file=ca_file)
        self._look_up: Address | None = None
        if look_up_url:
            self._look_up = Address(look_up_url, timeout=timeout, ca_file=ca_file, setting="look_up_url")
            if "{key}" not in self._look_up.path:
                raise ValueError("look_up_url must have {key} in it, which stands for the key of the charge")
        self._headers = _checked(headers or {})
        self._rules = rules(DEFAULT_ANSWERS if answers is None else answers)

    def charge(self, charge: Charge) -> Result:
        """Raises Retry, Reject and Pause, as `Gateway` says."""
        headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": _key(charge.key)}
        return understood(self._address.ask("POST", headers, json.dumps(_body(charge)).encode()), self._rules)

    def look_up(self, key: str) -> Result | None:
        """As `charge`. Raises Reject without `look_up_url`: nothing is known then."""
        if self._look_up is None:
            raise Reject("what became of the charge is unknown, and without look_up_url the gateway can't be asked")
        path = self._look_up.path.replace("{key}", quote(_key(key), safe=""))
        answer = self._look_up.ask("GET", self._headers, path=path)
        return None if answer.status == _NOT_FOUND else understood(answer, self._rules)


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
