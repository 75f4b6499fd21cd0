"""The documents as the tests read them: pages, their sections, and the blocks in these.

A comment right above a block says what the block is:

    <!-- shipped -->                            says the same as the pipeline.yaml that is shipped
    <!-- pipeline -->                           a whole pipeline.yaml
    <!-- change -->                             entries of pipeline.yaml: each takes the place of the
                                                one of its name, or is new
    <!-- change: without stages.a queues.b -->  the same, and these are taken away
    <!-- file: PATH -->                         a file beside pipeline.yaml
    <!-- log -->                                lines that the running program logs

A `console` block needs none: the text after `$ ` is run, and the lines below are its output, in
which `…` stands for anything and, on a line by itself, for any number of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/pipeline-yaml.md"
"""Has a test of its own (`tests/config/test_reference.py`)."""
AT_THE_TOP = tuple(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY"))
PAGES = (*AT_THE_TOP, *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"```(\w*)$")
_MARK = re.compile(r"<!-- (\w+)(?:: (.*))? -->$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `mark` is the word of its comment, `argument` what follows it there."""

    language: str
    text: str
    line: int
    mark: str = ""
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below a heading of the second level, or before the first of them."""

    page: Path
    title: str
    blocks: tuple[Block, ...]

    @property
    def id(self) -> str:
        name = self.page.relative_to(ROOT).as_posix()
        return f"{name}: {self.title}"


def sections(page: Path) -> Iterator[Section]:
    title, blocks = "top", list[Block]()
    for heading, block in _parts(page):
        if block is None:
            yield Section(page, title, tuple(blocks))
            title, blocks = heading, []
        else:
            blocks.append(block)
    yield Section(page, title, tuple(blocks))


def _parts(page: Path) -> Iterator[tuple[str, Block | None]]:
    """Headings of the second level, and blocks, in order."""
    mark = argument = ""
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        if line.startswith("## "):
            yield line.removeprefix("## "), None
        if fence := _FENCE.match(line):
            yield "", Block(fence[1], "".join(_until_fence(lines)), number, mark, argument)
        if line:
            found = _MARK.match(line)
            mark, argument = (found[1], found[2] or "") if found else ("", "")


def _until_fence(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _, line in lines:
        if line == "```":
            return
        yield line + "\n"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block, and what it is shown to print."""

    text: str
    output: str


def commands(block: Block) -> Iterator[Command]:
    """A command goes on behind a backslash at the line's end."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        last = next(index for index, line in enumerate(lines) if not line.endswith("\\\n"))
        yield Command("".join(lines[: last + 1]).strip(), "".join(lines[last + 1 :]))
