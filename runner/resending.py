"""A dead letter → what is published in its place, or why that is refused now.

Decides only. Left out: how it is published, and written down (see `operations`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.deadletters import DeadLetter
from runner.json_text import parse_json
from runner.message import HEADER_PREFIX, Outgoing
from runner.privacy.sealed import SIGN
from runner.routing import Reason, Refusal, Router
from runner.sensitive import Inward
from runner.stamps import moved_on

_NOT_SENT_ON = ("x-", HEADER_PREFIX)
ORDERS = ("cc", "bcc")
"""Headers that RabbitMQ acts on."""


def replayed(letter: DeadLetter, router: Router) -> list[Outgoing] | str:
    """What to publish by `router` in its place, or why that is refused now: the same id, body and
    sender's headers, no attempts counted; what is sealed stays sealed. Raises KeysError."""
    if letter.sealed:
        return f"its body is sealed as a whole: {letter.sealed}"
    if not letter.id:
        return "it has no id that can be used; send its body with 'runner send'"
    payload = letter.shelved.payload
    try:
        body = parse_json(payload)
    except (ValueError, RecursionError) as error:
        return f"the body is not JSON: {error}"
    if router.seals or SIGN in payload:
        inward = Inward(body, None)
        inward.mask(letter.id)
        body = inward.body
    return resent(letter, body, payload, router)


def resent(letter: DeadLetter, body: Any, text: bytes, router: Router) -> list[Outgoing] | str:
    """The same for another `body`, whose JSON is `text`; what is sealed in it is masked. Raises KeysError."""
    headers = moved_on(senders(letter.shelved.headers))
    if router.seals or SIGN in letter.shelved.payload:
        routed = router.route_sealed(body, letter.id, headers)
    else:
        routed = router.route(body, text, letter.id, headers)
    return _worded(routed) if isinstance(routed, Refusal) else routed


def _worded(refusal: Refusal) -> str:
    if refusal.reason is Reason.INVALID:
        return f"the body breaks the schema of {refusal.queue}: {'; '.join(map(str, refusal.violations))}"
    return f"the body matches {refusal.reason.value}"


def senders(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers that travel with it: neither the runner's own, nor those that are orders to a broker."""
    return {
        name: value
        for name, value in headers.items()
        if not name.lower().startswith(_NOT_SENT_ON) and name.lower() not in ORDERS
    }
