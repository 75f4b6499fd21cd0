"""A declarative pipeline runner: what the author of a stage imports."""

from runner.errors import Pause, Reject, Retry
from runner.message import Message

__all__ = ["Message", "Pause", "Reject", "Retry"]
__version__ = "0.1.0"
