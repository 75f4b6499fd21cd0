"""A plain scalar is read as in YAML 1.2; what only older YAML converts stays text."""

from __future__ import annotations

import pytest

from runner.config.yaml.scalars import resolve


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-17", -17),
        ("+5", 5),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
    ],
)
def test_scalars_are_read_as_yaml_1_2_has_them(written: str, expected: object) -> None:
    found = resolve(written)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "written",
    [
        "on", "off", "yes", "No", "y", "1:30", "012", "007.5", "0o8", "1_000",
        "2024-01-01", "1e999", ".inf", ".nan", "9" * 40,
    ],
)  # fmt: skip
def test_what_older_yaml_would_make_something_else_of_stays_text(written: str) -> None:
    assert resolve(written) == written
