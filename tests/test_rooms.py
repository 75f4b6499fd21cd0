"""The code keeps to its plan: `docs/architecture.md` lists the rooms of `runner/` from the top
down, and these tests hold the tree and every import to that list.
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
TESTS = ROOT / "tests"
ARCHITECTURE = ROOT / "docs" / "architecture.md"

UNTESTED = {
    "runner/findings.py": "values without behaviour: doctor/ and brokers/*/test_checkup.py make them",
    "runner/brokers/base.py": "the contract: brokers/test_contract.py holds every broker to it",
}
"""Modules without a namesake among the tests, and why."""
OF_NO_MODULE = {
    "brokers/rabbitmq/amqp/test_pika_privates.py": "names of pika's that it doesn't promise",
    "brokers/rabbitmq/test_messages.py": "whatever another program sends, through the whole broker",
    "brokers/test_contract.py": "one suite over all brokers",
    "brokers/test_contract_backlog.py": "the same: what an operator does to messages that wait",
    "brokers/test_contract_questions.py": "the same: what is asked of all that consume",
    "brokers/test_contract_returns.py": "the same: what comes again",
    "brokers/test_contract_shelf.py": "the same: what an operator looks at, and settles",
    "console/test_browser.py": "the console as a person uses it",
    "config/test_fuzz.py": "whatever a file holds, through the whole loader",
    "config/test_reference.py": "docs/pipeline-yaml.md, held against the grammar",
    "intake/test_fuzz.py": "whatever comes on a socket, through the whole intake",
    "stages/test_schemas.py": "schemas/*.json",
    "test_call_counts.py": "what a message costs, through all rooms",
    "test_packaging.py": "what is installed",
    "test_public.py": "runner/__init__.py",
    "test_rooms.py": "this file",
}
"""Tests in a mirrored folder that aren't those of one module, and what of instead."""


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


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """Line and module of each import in `file`, wherever it stands: in a function or for type checkers too."""
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
    for line, module in imported(file):
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
    for line, module in imported(RUNNER / file):
        source = file_of(module)
        there = room_of(source) if source else None
        if there is not None and there != here:
            assert ROOMS.index(there) < ROOMS.index(here), f"runner/{file}:{line}: {here} imports {module} from below"


@pytest.mark.parametrize("file", FILES)
def test_the_runner_never_imports_a_pipeline_of_its_users(file: str) -> None:
    for line, module in imported(RUNNER / file):
        assert module.partition(".")[0] not in ("stages", "tests", "bench"), f"runner/{file}:{line}: {module}"


@pytest.mark.parametrize("file", files_of("bench"))
def test_a_benchmark_imports_no_tests(file: str) -> None:
    """What both need stands in `bench/`."""
    for line, module in imported(ROOT / "bench" / file):
        assert module.partition(".")[0] != "tests", f"bench/{file}:{line}: {module}"


@pytest.mark.parametrize("file", USERS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_stage_imports_nothing_of_the_runner_that_is_not_public(file: Path) -> None:
    assert list(foreign(file)) == []


@pytest.mark.parametrize("package", MAPPED)
def test_every_package_says_what_is_in_it(package: str) -> None:
    """Its docstring is its map: it names each of its modules and packages, and none that is gone."""
    folder = (RUNNER / package).parent
    told = ast.get_docstring(ast.parse((RUNNER / package).read_text())) or ""
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    packages = [f"{path.parent.name}/" for path in folder.glob("*/__init__.py")]
    missing = [name for name in (*modules, *packages) if not re.search(rf"(?<![\w/]){name}", told)]
    gone = [name for name in re.findall(r"(?<![\w/.])\w+\.py\b", told) if name not in (*modules, "cli.py")]
    assert (missing, gone) == ([], [])


@pytest.mark.parametrize("package", ["runner", "stages", "bench"])
def test_no_two_modules_import_each_other(package: str) -> None:
    """Nor in a ring of more; what is imported inside of a function counts."""
    graph = {
        file: {source for _, module in imported(ROOT / package / file) if (source := file_of(module, package))} - {file}
        for file in files_of(package)
    }
    while leaves := [file for file, sources in graph.items() if not sources]:
        for leaf in leaves:
            del graph[leaf]
        graph = {file: sources - set(leaves) for file, sources in graph.items()}
    assert graph == {}


@pytest.mark.parametrize(("package", "tests"), [("runner", TESTS), ("stages", TESTS / "stages")])
def test_each_module_has_its_namesake_among_the_tests_and_each_test_its_module(package: str, tests: Path) -> None:
    """`runner/intake/desk.py` is tested by `tests/intake/test_desk.py`."""
    modules = [Path(file) for file in files_of(package) if not file.rpartition("/")[2].startswith("__")]
    wanted = {tests / module.with_name(f"test_{module.name}"): f"{package}/{module}" for module in modules}
    there = {test for folder in {test.parent for test in wanted} | {tests} for test in folder.glob("test_*.py")}
    missing = [module for test, module in wanted.items() if test not in there and module not in UNTESTED]
    astray = [name for test in there - set(wanted) if (name := str(test.relative_to(TESTS))) not in OF_NO_MODULE]
    assert (missing, sorted(astray)) == ([], [])


def test_no_exception_is_left_over() -> None:
    modules = {f"{package}/{file}" for package in ("runner", "stages") for file in files_of(package)}
    assert [module for module in UNTESTED if module not in modules] == []
    assert [test for test in OF_NO_MODULE if not (TESTS / test).exists()] == []
