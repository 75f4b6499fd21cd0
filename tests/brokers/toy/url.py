"""The toy broker's URLs: `toy:NAME`, a name without a suffix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

EXAMPLES = ("toy:NAME",)
TAKES_BACK_AFTER = None
ALONE = ""


def parse(text: str, folder: Path) -> tuple[str, ...]:
    name = text.removeprefix("toy:")
    if not name.isidentifier():
        raise ValueError("needs a name behind 'toy:', of letters and digits")
    return (f"toy:{folder / name}",)


def shown(url: str, folder: Path) -> str:
    return "toy:" + Path(url.removeprefix("toy:")).name


def described(urls: Sequence[str], *, variable: str | None) -> str:
    return f"a toy named {Path(urls[0].removeprefix('toy:')).name}"
