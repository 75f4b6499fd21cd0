"""Phrases that several parts use to tell a person what is wrong with a file, and what a log line says as fields.

Left out: whole sentences, which are written where the fault is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_LONGEST = 60
_MOST_COMPARED = 1000
"""Names that are compared letter by letter, which takes some 10 µs each."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest of `known`; empty if none is near."""
    nearest = nearest_name(name, known)
    return f" (did you mean {quoted(nearest)}?)" if nearest else ""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` was probably meant to be: the same but for case
    and separators, or else, where there are few enough, a few letters apart."""
    import difflib  # only needed when something is wrong

    candidates = sorted(set(known) - {name})
    if plain := [candidate for candidate in candidates if _bare(candidate) == _bare(name)]:
        return plain[0]
    if len(candidates) > _MOST_COMPARED:
        return None
    return next(iter(difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)), None)


def _bare(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def quoted(text: str) -> str:
    """`text` in quotes and on one line, cut if it is long."""
    return f"'{printable(text)}'"


def printable(text: str) -> str:
    """`text` on one line, cut if it is long."""
    return escaped(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def one_line(text: str) -> str:
    """`text` without line breaks and characters that a terminal would act on: an exception
    that isn't ours may contain them."""
    return escaped(" ".join(text.split()))


def escaped(text: str) -> str:
    """`text` without line breaks and characters that a terminal would act on, its spaces as they are."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def encodable(text: str) -> str:
    """`text` without lone surrogates, which no encoding has: Python reads one for each byte
    of a file's name that is not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def shown(value: Any) -> str:
    """A value as a sentence mentions it: `'abc'`, `5`, `true`, `empty`, `a list`."""
    if isinstance(value, str):
        return quoted(value) if value else "empty text"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number(value)
    return "a list" if isinstance(value, list) else "a mapping"


def _number(value: float) -> str:
    text = format(value, "g") if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def listed(names: Iterable[object], last: str = "and") -> str:
    """`a, b and c`."""
    texts = [str(name) for name in names]
    return f" {last} ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def paused(why: str) -> str:
    """`paused: the relay is closed`, `paused by ada: the bank is down`, `paused`: the `why` of somebody (see
    `ledger.pauses`) begins with who it is."""
    return f"paused{' ' if why.startswith('by ') else ': '}{why}" if why else "paused"


def counted(number: int, noun: str) -> str:
    """`1 queue`, `2,000 queues`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def facts(**known: object) -> dict[str, dict[str, object]]:
    """What a line says, as fields: `log.warning("…", extra=facts(stage=…, id=…))`. Those that are None
    or empty are left out."""
    return {"facts": {name: value for name, value in known.items() if value is not None and value != ""}}
