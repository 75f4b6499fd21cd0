"""When a listener's certificate is exchanged: its files have changed, for the better.

Left out: how the process that serves is replaced (see `serving`).
"""

from __future__ import annotations

import logging

from runner.certificates import faults_of, stamp_of
from runner.pipeline import Tls


class Rotation:
    """The files of one listener, which has read them just now. What has changed is judged when it has stayed the
    same between two looks: two files are seldom exchanged at once. `where` begins what `log` says of them."""

    def __init__(self, tls: Tls, where: str, log: logging.Logger) -> None:
        self._tls, self._where, self._log = tls, where, log
        self._judged = self._seen = stamp_of(tls)

    def due(self) -> bool:
        """Whether there are new files that are right. Says once what is wrong with others."""
        before, self._seen = self._seen, stamp_of(self._tls)
        if self._seen == self._judged or self._seen != before:
            return False
        self._judged = self._seen
        faults = faults_of(self._tls)
        for fault in faults:
            if not fault.serious:
                self._log.warning("%s: %s", self._where, fault.message)
        serious = [fault.message for fault in faults if fault.serious]
        if serious:
            problem = "the new files are of no use, and the certificate stays the old one"
            self._log.error("%s: %s: %s", self._where, problem, serious[0])
        return not serious
