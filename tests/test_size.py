"""Sizes, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import size


@pytest.mark.parametrize(
    ("text", "count"), [(512, 512), ("512B", 512), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)]
)
def test_a_size_is_read(text: str | int, count: int) -> None:
    assert size.parse(text) == count


@pytest.mark.parametrize("text", ["", "64", "64KB", "64kib", "-1B", "1.5MiB", True])
def test_what_is_no_size_is_told_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size; write 64KiB, 1MiB or a number of bytes$"):
        size.parse(text)


@pytest.mark.parametrize(("count", "text"), [(0, "0B"), (1000, "1000B"), (65_536, "64KiB"), (3 << 20, "3MiB")])
def test_a_size_is_written_as_short_as_it_can_be(count: int, text: str) -> None:
    assert size.format(count) == text


@given(st.integers(0, 10**12))
def test_what_is_written_reads_back(count: int) -> None:
    assert size.parse(size.format(count)) == count
