"""What can go wrong with a contender; a benchmark goes on with the others."""

from __future__ import annotations


class ContenderError(Exception):
    """It failed, or broke the guarantees under which it is measured."""


class MissingError(ContenderError):
    """It isn't installed here; the text says how to install it."""
