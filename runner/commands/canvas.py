"""Text with lines drawn beside it: rows, and wires in lanes to the right of them.

Left out: pipelines (see `runner.commands.drawing`).
"""

from __future__ import annotations


class Canvas:
    """Rows of text, and to the right of them wires in lanes: each from some rows to one."""

    def __init__(self) -> None:
        self._rows: list[str] = []
        self._leaving: dict[str, list[int]] = {}
        self._arriving: dict[str, int] = {}

    def add(self, row: str = "") -> None:
        """A row that no wire touches."""
        self._rows.append(row)

    def leave(self, target: str | None, row: str) -> None:
        """A row from which a wire leads to `target`; None: to nothing in this drawing."""
        if target is not None:
            self._leaving.setdefault(target, []).append(len(self._rows))
        self._rows.append(row if target is not None else f"{row}▶ no queue of this file")

    def arrive(self, target: str, row: str) -> None:
        """The row that the wires to `target` lead to."""
        self._arriving[target] = len(self._rows)
        self._rows.append(row)

    def lines(self) -> list[str]:
        wires = _Wires()
        start = max(map(len, self._rows)) + 2
        for target, lane in self._lanes().items():
            self._wire(wires, target, start + 3 * lane)
        return [f"{row}{wires.row(index, len(row))}".rstrip() for index, row in enumerate(self._rows)]

    def _lanes(self) -> dict[str, int]:
        """The lane of each target that has wires: short wires inside, no two in one place."""
        spans = {t: (min(*rows, self._arriving[t]), max(*rows, self._arriving[t])) for t, rows in self._leaving.items()}
        taken: list[list[tuple[int, int]]] = []
        lanes: dict[str, int] = {}
        for target, (top, bottom) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
            free = (lane for lane, used in enumerate(taken) if all(bottom < t or b < top for t, b in used))
            lanes[target] = next(free, len(taken))
            if lanes[target] == len(taken):
                taken.append([])
            taken[lanes[target]].append((top, bottom))
        return lanes

    def _wire(self, wires: _Wires, target: str, column: int) -> None:
        goal = self._arriving[target]
        rows = sorted({goal, *self._leaving[target]})
        wires.down(column, rows[0], rows[-1])
        for row in rows:
            wires.across(row, len(self._rows[row]) + (1 if row == goal else 0), column)
        wires.point(goal, len(self._rows[goal]) + 1)


class _Wires:
    """Lines on a grid, which join where they meet and cross where they must."""

    _UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
    _CHARACTERS = " │││─┘┐┤─└┌├─┴┬┼"

    def __init__(self) -> None:
        self._cells: dict[int, dict[int, int]] = {}
        self._points: set[tuple[int, int]] = set()

    def down(self, column: int, top: int, bottom: int) -> None:
        for row in range(top, bottom + 1):
            self._add(row, column, (self._UP if row > top else 0) | (self._DOWN if row < bottom else 0))

    def across(self, row: int, left: int, right: int) -> None:
        for column in range(left, right + 1):
            self._add(row, column, (self._LEFT if column > left else 0) | (self._RIGHT if column < right else 0))

    def point(self, row: int, column: int) -> None:
        """An arrow's head, to the left."""
        self._points.add((row, column))

    def _add(self, row: int, column: int, directions: int) -> None:
        cells = self._cells.setdefault(row, {})
        cells[column] = cells.get(column, 0) | directions

    def row(self, row: int, start: int) -> str:
        """What is drawn on a row, from column `start` on."""
        cells = self._cells.get(row, {})
        columns = range(start, max(cells, default=start - 1) + 1)
        return "".join("◀" if (row, c) in self._points else self._CHARACTERS[cells.get(c, 0)] for c in columns)
