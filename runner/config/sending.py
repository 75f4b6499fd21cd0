"""Does a stage send its mails to the pipeline's own mailbox? As far as its settings tell.

Left out: what a handler does with its settings, which only it knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from runner.config.draft import Draft
from runner.errors import Problem
from runner.pipeline import Address

EVERY_HOST = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})


def unused_mailbox(draft: Draft) -> Iterator[Problem]:
    """Warns about a mailbox that no stage sends to: the mails go elsewhere."""
    mailbox = draft.pipeline.mailbox
    if mailbox is None or mailbox.listen.port == 0:
        return
    if not any(names(mailbox.listen, stage.settings) for stage in draft.pipeline.stages.values()):
        message = (
            f"no stage has the mailbox's address {mailbox.listen} in its settings, so mails may go elsewhere; "
            "let the stages send them there, or remove mailbox"
        )
        yield draft.document.problem(("mailbox",), message, key=True, severity="warning")


def names(address: Address, settings: Mapping[str, object]) -> bool:
    """Whether settings contain server and port, separately or in one text."""
    words = {word for text in _texts(settings) for word in re.split(r"[][/@,;\s]+|:(?=\d+(?:[/?#,;\s]|$))", text)}
    hosts = {address.host} | (_THIS_MACHINE if address.host in _THIS_MACHINE else set())
    return str(address.port) in words and (address.host in EVERY_HOST or bool(hosts & words))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member)
    else:
        yield str(value)
