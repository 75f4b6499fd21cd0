"""Where a handler's module comes from: the pipeline's folder, or nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from runner.handlers.problems import HandlerError
from runner.handlers.reference import find

Written = Callable[[str, str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a module whose `whose()` says `owner`; returns the folder that its package stands in."""

    def write(file: str, owner: str) -> Path:
        path = tmp_path / owner / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def whose(message=None):\n    return {owner!r}\n")
        return tmp_path / owner

    return write


@pytest.mark.parametrize("init", [True, False], ids=["with __init__.py", "without"])
def test_a_package_of_the_folder_wins_over_one_that_is_installed(
    written: Written, monkeypatch: pytest.MonkeyPatch, init: bool
) -> None:
    installed = written("shop_stages/pack.py", "theirs")
    (installed / "shop_stages/__init__.py").touch()
    monkeypatch.syspath_prepend(installed)
    folder = written("shop_stages/pack.py", "mine")
    if init:
        (folder / "shop_stages/__init__.py").touch()

    assert find("shop_stages.pack:whose", folder)(None) == "mine"


def test_a_package_that_the_folder_has_not_is_an_installed_one(
    written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(written("other_stages/pack.py", "theirs"))

    assert find("other_stages.pack:whose", tmp_path)(None) == "theirs"


def test_what_a_package_of_the_folder_lacks_is_not_taken_from_another(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(written("mixed_stages/pack.py", "theirs"))
    folder = written("mixed_stages/ship.py", "mine")

    with pytest.raises(HandlerError, match=r"there is no module 'mixed_stages\.pack'"):
        find("mixed_stages.pack:whose", folder)


def test_nor_by_the_finder_of_an_editable_install(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is asked for a package's modules by their full names, wherever the package came from."""
    theirs = written("edited_stages/pack.py", "theirs") / "edited_stages/pack.py"

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            return spec_from_file_location(name, theirs) if name == "edited_stages.pack" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    folder = written("edited_stages/ship.py", "mine")

    with pytest.raises(HandlerError, match=r"there is no module 'edited_stages\.pack'"):
        find("edited_stages.pack:whose", folder)


def test_two_pipelines_of_one_process_never_get_each_others_modules(written: Written) -> None:
    first, second = written("twin.py", "first"), written("twin.py", "second")

    assert find("twin:whose", first)(None) == "first"
    assert find("twin:whose", first)(None) == "first"
    with pytest.raises(HandlerError) as raised:
        find("twin:whose", second)
    assert str(raised.value) == (
        f"module twin is already imported from {first}/twin.py, so {second}/twin.py can't be: "
        "rename it, or load this pipeline in another process"
    )


def test_nor_those_that_their_handlers_import(written: Written) -> None:
    first, second = written("prices.py", "first"), written("prices.py", "second")
    for folder in (first, second):
        (folder / f"{folder.name}_shop.py").write_text("from prices import whose\n")

    assert find("first_shop:whose", first)(None) == "first"
    with pytest.raises(HandlerError, match=r"module prices is already imported from .*/first/prices.py"):
        find("second_shop:whose", second)


def test_a_module_of_pythons_own_does_not_stand_in_for_one_of_the_folder(written: Written) -> None:
    folder = written("json.py", "mine")

    with pytest.raises(HandlerError, match=r"module json is already imported from .*/json, so .*/mine/json.py can't"):
        find("json:whose", folder)


def test_a_folder_called_runner_does_not_hide_the_library(written: Written) -> None:
    folder = written("runner/library/mail.py", "mine")

    assert find("runner.library.mail:SendMail", folder).__module__ == "runner.library.mail.send_mail"


def test_a_module_that_breaks_can_be_mended_and_imported_again(written: Written) -> None:
    folder = written("broken.py", "mine")
    (folder / "broken.py").write_text("raise KeyError('x')\n")

    with pytest.raises(HandlerError, match=r"module broken can't be imported: .*mine/broken.py:1: KeyError: 'x'"):
        find("broken:whose", folder)
    assert "broken" not in sys.modules
    written("broken.py", "mine")
    assert find("broken:whose", folder)(None) == "mine"
