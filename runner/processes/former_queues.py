"""What a run warns of when it starts: messages that lie under a queue's former name, which none of its stages takes.
Left out: bringing them over (see `commands.apply`).
"""

from __future__ import annotations

import logging

from runner.brokers.registry import left_behind
from runner.errors import BrokerError
from runner.pipeline import Pipeline
from runner.wording import counted, facts

log = logging.getLogger("runner.children")


def warn_of_former_queues(pipeline: Pipeline, part: str) -> None:
    """In the log, one line for each. Asks the broker only where the file has a `was`; raises nothing."""
    if not any(queue.was for queue in pipeline.queues.values()):
        return
    try:
        found = left_behind(pipeline, part)
    except BrokerError as error:
        log.debug(
            "whether anything lies under the queues' former names can't be asked: %s", error, extra=facts(reason=error)
        )
        return
    for queue in found:
        if queue.messages or queue.consumers:
            log.warning(
                "queue %s was %s, where %s still %s and %s: stop this run, then 'runner apply --migrate' brings over "
                "what is there; nothing is lost meanwhile",
                queue.queue,
                queue.was,
                counted(queue.messages, "message"),
                "lies" if queue.messages == 1 else "lie",
                "somebody consumes" if queue.consumers else f"no stage takes {'it' if queue.messages == 1 else 'them'}",
                extra=facts(queue=queue.queue, was=queue.was, messages=queue.messages, consumers=queue.consumers),
            )
