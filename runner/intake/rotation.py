"""A listener's certificate: as granian and ssl have it, and when it is exchanged, for its files have changed for the
better.

Left out: how the process that serves is replaced (see `serving`). What looks into certificates is imported only where
there is one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from granian.constants import SSLProtocols
from granian.server.common import AbstractServer

from runner.pipeline import Tls

if TYPE_CHECKING:
    import ssl

    from runner.certificates import Stamp

LOOK_EVERY = 1.0
"""Seconds between looks at the files of a certificate."""


def encrypted(tls: Tls | None) -> dict[str, Any]:
    """Granian's settings for a certificate."""
    if tls is None:
        return {}
    return {"ssl_cert": tls.certificate, "ssl_key": tls.key, "ssl_protocol_min": SSLProtocols.tls12}


def read_again(server: AbstractServer[Any], tls: Tls) -> None:
    """Let the next process or worker of granian have the certificate that is there now: granian has followed
    symbolic links, such as those of certbot and Kubernetes, to the former files. Raises OSError."""
    server.build_ssl_context(tls.certificate, tls.key, None, SSLProtocols.tls12, None, [], client_verify=False)


def encrypted_by(tls: Tls) -> ssl.SSLContext:
    from runner.certificates import server_context

    return server_context(tls)


class Rotation:
    """The files of one listener, which has read them just now. What has changed is judged when it has stayed the
    same between two looks: two files are seldom exchanged at once. `where` begins what `log` says of them."""

    def __init__(self, tls: Tls, where: str, log: logging.Logger) -> None:
        from runner.certificates import stamp_of

        self._tls, self._where, self._log = tls, where, log
        self._seen = stamp_of(tls)
        self._judged: Stamp | None = self._seen

    def due(self, take: Callable[[], None]) -> bool:
        """Whether there are new files that are right, and `take` could read them: if that raises OSError, they are
        being exchanged once more. Says once what is wrong with others."""
        from runner.certificates import faults_of, stamp_of

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
            return False
        try:
            take()
        except OSError:
            self._judged = None
            return False
        return True
