"""The wheel carries everything that the checkout has."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def files(package: str) -> list[Path]:
    found = (path.relative_to(ROOT) for path in (ROOT / package).rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]


def packages() -> set[Path]:
    """Those that setuptools finds: folders with an `__init__.py`, below those that are included."""
    assert SETTINGS["packages"]["find"] == {"include": ["runner*", "stages*"], "namespaces": False}
    return {path.parent for name in ("runner", "stages") for path in files(name) if path.name == "__init__.py"}


@pytest.mark.parametrize("path", [*files("runner"), *files("stages")], ids=str)
def test_every_file_is_in_a_package_or_named_as_its_data(path: Path) -> None:
    if path.suffix == ".py" and path.parent in packages():
        return
    data = SETTINGS["package-data"]
    for package, patterns in data.items():
        folder = Path(package.replace(".", "/"))
        if folder in path.parents and any(
            path in (p.relative_to(ROOT) for p in (ROOT / folder).glob(pattern)) for pattern in patterns
        ):
            return
    raise AssertionError(f"{path} is left out of the wheel: add it to package-data in pyproject.toml")
