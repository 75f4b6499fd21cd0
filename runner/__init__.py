"""A declarative pipeline runner on RabbitMQ: users import everything from here, and nothing else is public.

For stage authors: `Message`; `Receipt`, with which a stage at the end of a line says what it has
done; the orders that a handler may raise: `Retry`, `Reject` and `Pause`; `mask_card_numbers`, for
texts that others will read; and `timed`, for metrics. For tests and notebooks:
`load`, which reads a pipeline file, and `Engine`, which runs it in this process; both are
imported on first use.
`docs/architecture.md` lists the rooms of this package.
"""

from typing import TYPE_CHECKING, Any

from runner.errors import Pause, Reject, Retry
from runner.message import Message, Receipt
from runner.privacy.card_numbers import mask_card_numbers
from runner.timing import timed

if TYPE_CHECKING:
    from runner.config.loader import load
    from runner.engine import Engine

__all__ = ["Engine", "Message", "Pause", "Receipt", "Reject", "Retry", "load", "mask_card_numbers", "timed"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import late: every worker imports stages, and those need neither of these."""
    if name == "Engine":
        from runner.engine import Engine

        return Engine
    if name == "load":
        from runner.config.loader import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
