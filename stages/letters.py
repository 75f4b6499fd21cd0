"""A notification → the subject, text and HTML of its mail, by Jinja templates.

Left out: how the mail travels. Importing this file imports Jinja, which takes a while:
don't, just to check settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from runner import mask_card_numbers
from stages.notification import KINDS

FILES = tuple(f"{kind}.{form}" for kind in KINDS for form in ("txt", "html"))
BUILT_IN = Path(__file__).with_name("templates")

_SUBJECT = "Subject: "


class Letter(NamedTuple):
    subject: str
    text: str
    html: str


class Letters:
    """The templates, compiled.

    `folder` holds `paid.txt`, `paid.html` and so on, which replace those that come with
    this file; they may extend its `base.html`. The first line of a `.txt` is `Subject: …`,
    the second is empty. Raises ValueError for a file that is missing or broken.

    A template sees kind, paymentId, user, paymentType, card (the last four digits), and
    amount (`EUR 19.99`), reference, chargeId, time and reason, each None if there is none.
    A card number in one of them is cut to its last four digits (PCI DSS 4.2.2).
    """

    def __init__(self, folder: Path | None = None) -> None:
        folders = [BUILT_IN] if folder is None else [folder, BUILT_IN]
        for name in FILES:
            if not (folders[0] / name).is_file():
                raise ValueError(f"templates: {folders[0]} has no {name}; it needs {', '.join(FILES)}")
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders),
            autoescape=jinja2.select_autoescape(["html"], default=False),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )
        self._templates = {name: _compiled(environment, name) for name in FILES}

    def write(self, notification: Mapping[str, Any]) -> Letter:
        """The letter for a notification (`schemas/notification.json`)."""
        kind, values = notification["kind"], _values(notification)
        subject, _, text = self._rendered(f"{kind}.txt", values).partition("\n")
        if not subject.startswith(_SUBJECT):
            raise ValueError(f"templates: the first line of {kind}.txt must be '{_SUBJECT}…'")
        return Letter(subject.removeprefix(_SUBJECT).strip(), text.lstrip("\n"), self._rendered(f"{kind}.html", values))

    def prove(self) -> None:
        """Write a letter of each kind, with and without the optional parts.

        Raises ValueError: better now than when the first payer is declined.
        """
        for kind in KINDS:
            for optional in ({}, _OPTIONAL):
                self.write({**_EXAMPLE, "kind": kind, **_OUTCOMES[kind], **optional})

    def _rendered(self, name: str, values: Mapping[str, Any]) -> str:
        try:
            return self._templates[name].render(values)
        except (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"templates: {name}: {error}") from error


def _compiled(environment: jinja2.Environment, name: str) -> jinja2.Template:
    try:
        return environment.get_template(name)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"templates: {error.filename}:{error.lineno}: {error.message}") from error
    except (jinja2.TemplateError, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"templates: {name}: {error}") from error


# -- What a template sees -----------------------------------------------------------


def _values(notification: Mapping[str, Any]) -> dict[str, Any]:
    charge = notification.get("charge") or {}
    why = notification.get("decline") or notification.get("refusal") or {}
    amount = notification.get("amount")
    values = {
        **{name: notification[name] for name in ("kind", "paymentId", "user", "paymentType", "card")},
        "amount": None if amount is None else money(int(amount), notification["currency"]),
        "reference": notification.get("reference"),
        "chargeId": charge.get("id"),
        "time": _clock(charge["time"]) if charge else None,
        "reason": why.get("reason"),
    }
    return {name: mask_card_numbers(value) if isinstance(value, str) else value for name, value in values.items()}


def _clock(time: str) -> str:
    """2026-11-22T23:45:10Z → 2026-11-22 23:45 UTC: every country reads it alike."""
    return f"{time[:10]} {time[11:16]} UTC"


_MINOR_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {currency: decimals for decimals, currencies in _MINOR_UNITS.items() for currency in currencies.split()}
"""ISO 4217's minor units, where they aren't 2."""


def money(amount: int, currency: str) -> str:
    """`amount` minor units as people write them: 199900, EUR → EUR 1,999.00."""
    decimals = _DECIMALS.get(currency, 2)
    whole, rest = divmod(amount, 10**decimals)
    return f"{currency} {whole:,}" + (f".{rest:0{decimals}}" if decimals else "")


_EXAMPLE: Mapping[str, Any] = {
    "paymentId": "0123456789abcdef0123456789abcdef",
    "user": "payer@example.com",
    "paymentType": "Credit Card",
    "card": "3456",
}
_OPTIONAL: Mapping[str, Any] = {"amount": 1999, "currency": "EUR", "reference": "Order 1138"}
_OUTCOMES: Mapping[str, Mapping[str, Any]] = {
    "paid": {"charge": {"id": "ch_1", "time": "2026-01-31T12:00:00Z"}},
    "pending": {},
    "declined": {"decline": {"code": "card_declined", "reason": "The bank declined the card."}},
    "refused": {"refusal": {"code": "card_expired", "reason": "The card has expired."}},
    "refunded": {"charge": {"id": "ch_1", "time": "2026-01-31T12:00:00Z"}},
    "disputed": {"charge": {"id": "ch_1", "time": "2026-01-31T12:00:00Z"}},
}
