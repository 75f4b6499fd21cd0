"""Who charges a card: the contract of a payment gateway, and two that come with the pipeline.

    contract.py    a charge, what becomes of it, and what a gateway promises
    simulated.py   charges nobody; the card decides its answer
    charge_log.py  what the simulated gateway remembers, in a file
    http.py        any gateway that takes a charge as JSON by POST
    address.py     where a gateway is, and a request to it
    answers.py     an HTTP answer → what became of the charge, as the settings say
    exchange.py    one HTTP request and its answer, within limits

Names that can be imported from here are for gateways of one's own; see `docs/gateways.md`.
"""

from stages.gateways.address import Address
from stages.gateways.answers import rules, understood
from stages.gateways.contract import Approved, Charge, Declined, Gateway, Pending, Refused, Result

__all__ = [
    "Address",
    "Approved",
    "Charge",
    "Declined",
    "Gateway",
    "Pending",
    "Refused",
    "Result",
    "rules",
    "understood",
]
