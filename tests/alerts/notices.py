"""A notice for tests."""

from __future__ import annotations

from runner.alerts.conditions import Key, Notice

AT = 1_800_000_000.0


def notice(id: str = "n1", *, firing: bool = True) -> Notice:
    text = "orders has 3 dead letters"
    return Notice(id, Key("dead_letters", "orders"), firing, text if firing else f"over: {text}", AT, AT - 90.0)
