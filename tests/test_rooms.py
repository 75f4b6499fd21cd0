"""The house keeps its plan: `docs/architecture.md` lists the rooms of `runner/` from the top
down, and what stands here holds the tree and every import to that list.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNNER = ROOT / "runner"
USERS = sorted(
    [*(RUNNER / "library").rglob("*.py"), *(RUNNER / "starter").rglob("*/*.py"), *(ROOT / "stages").rglob("*.py")]
)
"""Stages: those that are ready-made, those that `runner new` writes, and those of the shipped pipeline."""
ARCHITECTURE = ROOT / "docs" / "architecture.md"


def rooms() -> list[str]:
    """The rooms as the page lists them, each a path below `runner/`. A tier's title isn't indented."""
    [listing] = re.findall(r"^## Rooms$.*?^```text$\n(.*?)^```$", ARCHITECTURE.read_text(), re.MULTILINE | re.DOTALL)
    return [line.split()[0] for line in listing.splitlines() if line.startswith("  ")]


ROOMS = rooms()


@cache
def files_of(package: str) -> list[str]:
    """The modules of a package as paths below it; what `runner new` writes is none of them."""
    folder = ROOT / package
    written = RUNNER / "starter"
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if written not in path.parents or path.parent == written
    )


FILES = files_of("runner")
MAPPED = [file for file in FILES if file.endswith("/__init__.py")]


def room_of(file: str) -> str | None:
    """The room that `file` (a path below `runner/`) stands in: the one with the longest path."""
    found = [room for room in ROOMS if file == room or (room.endswith("/") and file.startswith(room))]
    return max(found, key=len, default=None)


def imported(file: str, package: str = "runner") -> Iterator[tuple[int, str]]:
    """Line and module of each import in `file`, wherever it stands: in a function or for type checkers too."""
    return imports_of(ROOT / package / file)


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def file_of(module: str, package: str = "runner") -> str | None:
    """The file of a module of `package`, or of the module that a name comes from; None for other packages'."""
    top, *parts = module.split(".")
    files = files_of(package) if top == package else ()
    for length in range(len(parts), -1, -1):
        for candidate in ("/".join([*parts[:length], "__init__.py"]), "/".join(parts[:length]) + ".py"):
            if candidate in files:
                return candidate
    return None


def foreign(file: Path) -> Iterator[str]:
    """What `file` imports of the runner that isn't public: names that `runner` or a package of its
    library exports are. Within the library, a package's own modules may be imported too.
    """
    inside = file.is_relative_to(RUNNER / "library")
    for line, module in imports_of(file):
        package, _, name = module.rpartition(".")
        exports = re.fullmatch(r"runner(\.library\.\w+)?", package)
        public = exports and name in importlib.import_module(package).__all__
        own = inside and package.startswith("runner.library.")
        if module.partition(".")[0] == "runner" and not (public or own):
            yield f"{file.relative_to(ROOT)}:{line}: {module}"


def test_every_room_is_listed_and_every_listed_room_is_there() -> None:
    missing = [room for room in ROOMS if not (RUNNER / room).exists()]
    homeless = [file for file in FILES if room_of(file) is None]
    assert (missing, homeless) == ([], [])


@pytest.mark.parametrize("file", FILES)
def test_a_room_imports_only_from_the_rooms_above_it(file: str) -> None:
    here = room_of(file)
    assert here is not None
    for line, module in imported(file):
        source = file_of(module)
        there = room_of(source) if source else None
        if there is not None and there != here:
            assert ROOMS.index(there) < ROOMS.index(here), f"runner/{file}:{line}: {here} imports {module} from below"


@pytest.mark.parametrize("file", FILES)
def test_the_runner_never_imports_a_pipeline_of_its_users(file: str) -> None:
    for line, module in imported(file):
        assert module.partition(".")[0] not in ("stages", "tests", "bench"), f"runner/{file}:{line}: {module}"


@pytest.mark.parametrize("file", USERS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_stage_imports_nothing_of_the_runner_that_is_not_public(file: Path) -> None:
    assert list(foreign(file)) == []


@pytest.mark.parametrize("package", MAPPED)
def test_every_package_says_what_is_in_it(package: str) -> None:
    """Its docstring is its map: each of its modules and packages is named there."""
    folder = (RUNNER / package).parent
    told = ast.get_docstring(ast.parse((RUNNER / package).read_text())) or ""
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    packages = [f"{path.parent.name}/" for path in folder.glob("*/__init__.py")]
    assert [name for name in (*modules, *packages) if name not in told] == []


@pytest.mark.parametrize("package", ["runner", "stages", "bench"])
def test_no_two_modules_import_each_other(package: str) -> None:
    """Nor in a ring of more; what is imported inside of a function counts."""
    graph = {
        file: {source for _, module in imported(file, package) if (source := file_of(module, package))} - {file}
        for file in files_of(package)
    }
    while leaves := [file for file, sources in graph.items() if not sources]:
        for leaf in leaves:
            del graph[leaf]
        graph = {file: sources - set(leaves) for file, sources in graph.items()}
    assert graph == {}
