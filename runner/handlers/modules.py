"""Where the modules of handlers come from: the pipeline's own folder always goes first.

Python alone doesn't do that. It takes a folder without `__init__.py` only if no installed
package has that name, and a name once imported stays what it was. Left out: modules that no
handler names. Python finds those, with the folder first on `sys.path`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from runner.handlers.problems import unusable

_OURS = __name__.partition(".")[0]

_brought: set[str] = set()
"""Top-level modules that the pipelines of this process have imported from their folders."""


def import_first_from(folder: Path, name: str) -> ModuleType:
    """Import the module `name`, its top-level package from `folder` if it has one there.

    Puts `folder` first on `sys.path`. Raises HandlerError if a module of the folder can't be
    imported because its name is taken, and whatever the module's own code raises.
    """
    if sys.path[0] != str(folder):
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    top = name.partition(".")[0]
    for taken in (top, *sorted(_brought - {top, _OURS})):
        _check_free(folder, taken)
    before = set(sys.modules)
    try:
        if (spec := _spec(folder, top)) is None or top == _OURS:
            return importlib.import_module(name)
        if top not in sys.modules:
            _load(spec)
        return _import_below(name)
    finally:
        new = {one for one in set(sys.modules) - before if "." not in one}
        _brought.update(one for one in new if _folder_of(sys.modules[one]) == os.path.realpath(folder))


def imported_files(folder: Path) -> frozenset[tuple[str, int, int]]:
    """The files in `folder` of the modules that its pipeline's handlers have brought, each with the time
    of its last change (ns) and its size."""
    files = {getattr(sys.modules.get(name), "__file__", None) for name in _brought_from(folder)}
    found = set()
    for file in files:
        with suppress(OSError):
            if file is not None:
                there = Path(file).stat()
                found.add((file, there.st_mtime_ns, there.st_size))
    return frozenset(found)


@contextmanager
def imported_anew(folder: Path) -> Iterator[None]:
    """What its pipeline has brought from `folder` is imported anew within; if that raises, all is as before."""
    before = {name: sys.modules.pop(name) for name in _brought_from(folder)}
    try:
        yield
    except BaseException:
        for name in _brought_from(folder):
            del sys.modules[name]
        sys.modules.update(before)
        raise


def _brought_from(folder: Path) -> list[str]:
    there = os.path.realpath(folder)
    tops = {top for top in _brought - {_OURS} if top in sys.modules and _folder_of(sys.modules[top]) == there}
    return [name for name in list(sys.modules) if name.partition(".")[0] in tops]


def _check_free(folder: Path, name: str) -> None:
    """The modules of another pipeline, or of Python, must not stand in for those of `folder`."""
    loaded = sys.modules.get(name)
    if loaded is None or name == _OURS or (spec := _spec(folder, name)) is None:
        return
    there, here = _place(loaded), _place(spec)
    if there != here:
        raise unusable(
            f"module {name} is already imported from {there or 'Python itself'}, so {here} can't be: "
            "rename it, or load this pipeline in another process"
        )


def _spec(folder: Path, name: str) -> ModuleSpec | None:
    """How to import `name` from `folder`, and from nowhere else."""
    spec = PathFinder.find_spec(name, [str(folder)])
    if spec is not None and spec.loader is None:  # no __init__.py: Python would look further along sys.path
        spec.submodule_search_locations = [str(folder / name)]
    return spec


def _load(spec: ModuleSpec) -> None:
    module = sys.modules[spec.name] = module_from_spec(spec)
    if spec.loader is None:
        return
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise


def _import_below(name: str) -> ModuleType:
    """Import `name`, whose top-level package is imported, from the folders of the packages above it.

    Otherwise the finder of an editable install would add its own folder to a package of the same name.
    """
    package = name.rpartition(".")[0]
    if not package or name in sys.modules:
        return sys.modules[name]
    folders = getattr(_import_below(package), "__path__", None)
    if folders is None or PathFinder.find_spec(name, folders) is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return importlib.import_module(name)


def _place(found: ModuleType | ModuleSpec) -> str | None:
    """The folder of a package, the file of a module; None for what is built into Python."""
    if isinstance(found, ModuleSpec):
        folders, file = found.submodule_search_locations, found.origin
    else:
        folders, file = getattr(found, "__path__", None), getattr(found, "__file__", None)
    place = next(iter(folders)) if folders else file
    return os.path.realpath(place) if place else None


def _folder_of(module: ModuleType) -> str | None:
    place = _place(module)
    return place and str(Path(place).parent)
