"""What can go wrong with a contender; a benchmark goes on with the others."""

from __future__ import annotations


class ContenderError(Exception):
    """It failed, or broke the guarantees that it is measured with."""


class MissingError(ContenderError):
    """It isn't installed here; the text says how to get it."""
