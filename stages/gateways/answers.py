"""An HTTP answer → what became of a charge, or the order of a stage. Decides only.

The rules of the settings come first; an answer that none of them takes means what its status
means (RFC 9110). Left out: how the answer came (see `exchange.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from runner import Pause, Reject, Retry, mask_card_numbers
from stages.gateways.contract import Approved, Declined, Pending, Refused, Result

if TYPE_CHECKING:
    from stages.gateways.exchange import Answer

Meaning = Literal["paid", "pending", "declined", "refused"]

DEFAULT_ANSWERS: Sequence[Mapping[str, Any]] = (
    {"where": {"/status": "paid"}, "means": "paid"},
    {"where": {"/status": "pending"}, "means": "pending"},
    {"where": {"/status": "declined"}, "means": "declined"},
    {"where": {"/status": "refused"}, "means": "refused"},
    {"status": 402, "means": "declined"},
)
"""For a gateway that answers in this pipeline's own words."""

_OUT_OF_ORDER = 60.0
_LONGEST_WAIT = 24 * 3600.0
"""Seconds: however long a gateway asks for."""
_LONGEST_REASON = _LONGEST_SHOWN = 300
_LONGEST_ID = 100
"""Characters, as in the schema of notifications."""
_SAID = {"declined": "The bank declined the card.", "refused": "The payment was not accepted."}
"""To the payer, where the gateway says nothing that can be passed on."""


@dataclass(frozen=True, slots=True)
class Rule:
    """An answer with one of `status` (empty: any 2xx), whose body has one of the values at each
    JSON Pointer of `where`, has this meaning. The other pointers lead to the parts of it."""

    means: Meaning
    status: frozenset[int] = frozenset()
    where: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    id: str = "/id"
    code: str = "/code"
    reason: str = "/reason"

    def takes(self, status: int, body: Any) -> bool:
        known = status in self.status if self.status else 200 <= status < 300
        return known and all(_is_one_of(at(body, pointer), values) for pointer, values in self.where.items())

    def result(self, body: Any) -> Result | None:
        """None: the body lacks the id of what is said to be paid."""
        if self.means == "pending":
            return Pending()
        if self.means == "paid":
            found = at(body, self.id)
            name = str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else ""
            return Approved(name, datetime.now(UTC)) if re.fullmatch(rf"[!-~]{{1,{_LONGEST_ID}}}", name) else None
        code, reason = _code(at(body, self.code), self.means), _sentence(at(body, self.reason), self.means)
        return Declined(code, reason) if self.means == "declined" else Refused(code, reason)


def rules(written: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """The rules of the settings. Raises ValueError."""
    return [_rule(number, entry) for number, entry in enumerate(written, start=1)]


def understood(answer: Answer, rules: Sequence[Rule]) -> Result:
    """What became of the charge. Raises Retry, Reject and Pause."""
    body = _body(answer)
    for rule in rules:
        if rule.takes(answer.status, body) and (result := rule.result(body)) is not None:
            return result
    raise _order(answer)


# -- Settings ---------------------------------------------------------------------


def _rule(number: int, entry: Mapping[str, Any]) -> Rule:
    known = Rule.__slots__
    for name in entry:
        if name not in known:
            raise ValueError(f"answers: {name!r} in entry {number} is unknown; known: {', '.join(known)}")
    if entry.get("means") not in get_args(Meaning):
        raise ValueError(f"answers: 'means' of entry {number} must be one of {', '.join(get_args(Meaning))}")
    status, where = _listed(entry.get("status", [])), entry.get("where", {})
    if not all(isinstance(one, int) and 200 <= one <= 599 for one in status):
        raise ValueError(f"answers: 'status' of entry {number} must be a number from 200 to 599, or a list of them")
    pointers = {name: value for name, value in entry.items() if name in ("id", "code", "reason")}
    if not isinstance(where, Mapping) or not all(_is_pointer(one) for one in (*where, *pointers.values())):
        raise ValueError(f"answers: entry {number} must name values by JSON Pointers, such as /error/code")
    return Rule(entry["means"], frozenset(status), {one: _listed(value) for one, value in where.items()}, **pointers)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _is_pointer(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch(r"(/([^~/]|~[01])*)*", text) is not None


# -- Bodies -----------------------------------------------------------------------


def _body(answer: Answer) -> Any:
    """The JSON in it; None where it isn't JSON, isn't said to be (an error page of a proxy), or says two things."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        return None
    try:
        return json.loads(answer.body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None


def _object(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Programs disagree about a name that occurs twice (RFC 8259, section 4), and one reading may be *paid*."""
    document = dict(members)
    if len(document) != len(members):
        raise ValueError("an object has the same name twice")
    return document


def at(body: Any, pointer: str) -> Any:
    """The value that a JSON Pointer (RFC 6901) leads to; None where nothing is."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(body, dict):
            body = body.get(name)
        elif isinstance(body, list) and re.fullmatch(r"0|[1-9][0-9]{0,5}", name) and int(name) < len(body):
            body = body[int(name)]
        else:
            return None
    return body


def _is_one_of(value: Any, known: Sequence[Any]) -> bool:
    """In JSON, `true` is not 1."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in known)


def _code(value: Any, means: str) -> str:
    """A word for programs: `Insufficient-Funds` → insufficient_funds."""
    word = re.sub(r"[^a-z]+", "_", value.lower()).strip("_")[:40] if isinstance(value, str) else ""
    return word or means


def _sentence(value: Any, means: str) -> str:
    """A sentence for the payer: one line, without a card number."""
    words = " ".join(value.split()) if isinstance(value, str) else ""
    usable = words.isprintable() and mask_card_numbers(words) == words
    return words[:_LONGEST_REASON] if words and usable else _SAID[means]


# -- Orders -----------------------------------------------------------------------


def _order(answer: Answer) -> Retry | Reject | Pause:
    """What an answer without a result means for the message and for the stage."""
    status, delay = answer.status, _retry_after(answer)
    at_least = delay or 0.0
    if status in (401, 403, 407):
        hint = "Correct the headers that log in."
        return Pause(f"the gateway refuses us: {status}. {hint}", delay=delay or _OUT_OF_ORDER)
    if 300 <= status < 400 or status in (404, 405, 410):
        return Pause(f"the gateway isn't at this address: {status}. Correct url.", delay=delay or _OUT_OF_ORDER)
    if status == 429:
        return Retry("the gateway wants fewer requests: 429; nothing was charged", at_least=at_least)
    if status == 409:
        return Retry("the gateway is still at work on this charge: 409", at_least=at_least)
    if 400 <= status < 500 and status not in (408, 425):
        return Reject(f"the gateway doesn't accept the request: {_shown(answer)}")
    unknown = "whether the card was charged is unknown until it is asked again"
    return Retry(f"the gateway gave no answer that settles the charge: {_shown(answer)}; {unknown}", at_least=at_least)


def _retry_after(answer: Answer) -> float | None:
    """Seconds; None where the gateway says nothing that makes sense (RFC 9110, section 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), _LONGEST_WAIT)
    from email.utils import parsedate_to_datetime  # seldom needed, and it takes a while to import

    try:
        found = parsedate_to_datetime(text)
        at = found if found.tzinfo is not None else found.replace(tzinfo=UTC)  # as C's asctime writes it
        seconds = (at - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _shown(answer: Answer) -> str:
    """The status, and the beginning of what the gateway says, in one line. Neither a card number nor a word,
    which may be an address, is cut in two: half of one isn't known as one, and would be shown."""
    words = re.sub(r"[^ -~]+", " ", answer.body.decode("utf-8", "replace"))
    line = mask_card_numbers(f"{answer.status} {words}").strip()
    return line if len(line) <= _LONGEST_SHOWN else line[:_LONGEST_SHOWN].rpartition(" ")[0]
