"""A declarative pipeline runner on RabbitMQ: users import everything from here, and nothing else is public.

For stage authors: `Message`; `Receipt`, with which a stage at the end of a line says what it has
done; the orders that a handler may raise: `Retry`, `Reject` and `Pause`; `mask_card_numbers`, for
texts that others will read; and `timed`, for metrics. For tests and notebooks:
`load`, which reads a pipeline file, and `Engine`, which runs it in this process. Each is
imported on first use.
`docs/architecture.md` lists the rooms of this package.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.config.loader import load
    from runner.engine import Engine
    from runner.errors import Pause, Reject, Retry
    from runner.message import Message, Receipt
    from runner.privacy.card_numbers import mask_card_numbers
    from runner.timing import timed

__all__ = ["Engine", "Message", "Pause", "Receipt", "Reject", "Retry", "load", "mask_card_numbers", "timed"]
__version__ = "0.1.0"


_PLACES = {
    "Engine": "engine",
    "Message": "message",
    "Pause": "errors",
    "Receipt": "message",
    "Reject": "errors",
    "Retry": "errors",
    "load": "config.loader",
    "mask_card_numbers": "privacy.card_numbers",
    "timed": "timing",
}


def __getattr__(name: str) -> Any:
    """Import late: nobody pays for what they don't use, and a command may be interrupted before all is loaded."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"runner.{_PLACES[name]}"), name)
