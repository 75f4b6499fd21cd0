"""How the children of a run change when its pipeline does: the new ones start beside those that
they replace, and these leave once all of the new ones are up.

Left out: where the new children come from (see `reload`), and who starts and stops processes (`supervisor`).
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.processes.child import Board, Child
from runner.processes.process import Process


class Succession:
    """From the processes `now` to those of `children`, of which some may be the same."""

    def __init__(self, now: Sequence[Process], children: Sequence[Child]) -> None:
        self._children = children
        self._board = Board([child.name for child in children])
        self._staying = {process.child.name: process for process in now if _goes_on(process, children)}
        for name, process in self._staying.items():
            self._board[name] = process.up  # for those that come to see; moved when all are up
        starts = {process.child.name: process.starts for process in now}
        coming = [child for child in children if child.name not in self._staying]
        self.coming = [Process(child, self._board, starts.get(child.name, 0)) for child in coming]
        self.leaving = [process for process in now if process.child.name not in self._staying]

    @property
    def is_over(self) -> bool:
        """Whether all that are new are up."""
        return all(process.up for process in self.coming)

    def complete(self) -> list[Process]:
        """The processes from now on, in their order."""
        if self.coming or self.leaving:  # else those who look at the board they were forked with go on, too
            for process in self._staying.values():
                process.move(self._board)
        processes = {**self._staying, **{process.child.name: process for process in self.coming}}
        return [processes[child.name] for child in self._children]

    def __str__(self) -> str:
        """`replaced: worker; unchanged: intake, mailbox`, or that nothing has changed."""
        if not self.coming and not self.leaving:
            return "nothing that runs has changed"
        new, old = [[process.child.name for process in these] for these in (self.coming, self.leaving)]
        changes = {
            "replaced": [name for name in new if name in old],
            "started": [name for name in new if name not in old],
            "stopped": [name for name in old if name not in new],
            "unchanged": list(self._staying),
        }
        return "; ".join(f"{change}: {', '.join(names)}" for change, names in changes.items() if names)


def _goes_on(process: Process, children: Sequence[Child]) -> bool:
    """Whether one of `children` is what this one is already."""
    mine = process.child
    same = [child for child in children if child.name == mine.name and child.made_of == mine.made_of]
    return mine.made_of is not None and bool(same)
