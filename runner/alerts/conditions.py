"""What is wrong with a run now, and which of it is news: each condition is told once when it begins to
hold, and once when it is over. Decides only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runner.brokers.base import Depth
from runner.message import new_id
from runner.pipeline import Alerts
from runner.privacy.masking import mask
from runner.units import format_duration
from runner.wording import counted, one_line, paused

SETTLE = 60.0
"""Seconds for which a condition may not hold, and goes on: so it doesn't flap. It is over after that."""
LONGEST_REASON = 300
"""Characters."""


class Key(NamedTuple):
    """A condition: `dead_letters` of the queue `orders`."""

    condition: str
    subject: str
    """A queue, a stage, or empty for the run."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a run stands."""

    depths: Mapping[str, Depth] | None = None
    """None: the broker doesn't tell."""
    ages: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Seconds, by queue and kind of message (see `observability.ages`)."""
    paused: Mapping[str, str] = field(default_factory=dict)
    """The stages that are paused, and why."""
    troubles: Sequence[str] = ()
    """What keeps the run from being ready."""


class Notice(NamedTuple):
    """What is told. `id` stays the same however often it is sent."""

    id: str
    key: Key
    firing: bool
    """False: it is over."""
    text: str
    """Without card numbers and addresses."""
    at: float
    """When (Unix)."""
    since: float
    """When the condition began to hold (Unix)."""


def holding(alerts: Alerts, look: Look) -> Mapping[Key, str]:
    """The conditions that hold now, in words."""
    found: dict[Key, str] = {}
    for queue, depth in (look.depths or {}).items():
        if alerts.dead_letters is not None and depth.dead > alerts.dead_letters:
            found[Key("dead_letters", queue)] = f"{queue} has {counted(depth.dead, 'dead letter')}"
    for (queue, kind), age in look.ages.items():
        if alerts.oldest is not None and kind == "ready" and age > alerts.oldest:
            found[Key("oldest", queue)] = f"a message waits on {queue} for {format_duration(round(age))}"
    if alerts.paused is not None:
        for stage, why in look.paused.items():
            found[Key("paused", stage)] = f"{stage} is {paused(_shortened(why))}"
    if alerts.not_ready is not None and look.troubles:
        found[Key("not_ready", "")] = f"the run is not ready: {_shortened('; '.join(look.troubles))}"
    return {key: mask(text) for key, text in found.items()}


def _shortened(reason: str) -> str:
    """On one line, and masked before it is cut: half a card number isn't known as one."""
    return one_line(mask(reason))[:LONGEST_REASON]


def is_unknown(key: Key, look: Look) -> bool:
    """Whether it can't be judged now, and stays as it is."""
    if look.depths is None:
        return key.condition in ("dead_letters", "oldest")
    depth = look.depths.get(key.subject)
    return key.condition == "dead_letters" and depth is not None and depth.looked_at


class _State:
    """Of a condition that holds, or has held until lately."""

    __slots__ = ("began", "held", "since", "text", "told")

    def __init__(self, began: float, since: float) -> None:
        self.began = self.held = began
        """When it began to hold, and when it was last seen to (monotonic: clocks are set)."""
        self.since = since
        """The first of these (Unix)."""
        self.text = ""
        self.told = False


class Alarms:
    """Which conditions have been told. Only one thread uses it."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._after = {"paused": alerts.paused or 0.0, "not_ready": alerts.not_ready or 0.0}
        """Seconds for which a condition has to hold; the others say in themselves how long."""
        self._states: dict[Key, _State] = {}

    def news(self, look: Look) -> list[Notice]:
        """What is to be told now."""
        now, at = time.monotonic(), time.time()
        found = holding(self._alerts, look)
        notices = []
        for key, text in found.items():
            state = self._states.setdefault(key, _State(now, at))
            state.held, state.text = now, text
            if not state.told and now - state.began >= self._after.get(key.condition, 0.0):
                state.told = True
                notices.append(Notice(new_id(), key, True, text, at, state.since))
        for key, state in list(self._states.items()):
            if is_unknown(key, look):
                state.held = now
            elif now - state.held >= SETTLE:
                del self._states[key]
                if state.told:
                    notices.append(Notice(new_id(), key, False, f"over: {state.text}", at, state.since))
        return notices
