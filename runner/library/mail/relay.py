"""The mail server that takes our mails and passes them on: where it is, and how to talk to it.

Only settings, and cheap to import; `conversation.py` does the talking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


TIMEOUT = 20.0
"""Seconds; the default."""
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Relay:
    """Raises ValueError for settings that don't go together."""

    server: str
    port: int
    use_tls: bool = False
    """STARTTLS, as on port 587."""
    use_ssl: bool = False
    """TLS from the first byte, as on port 465."""
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = TIMEOUT
    """Seconds for the whole opening, and for each mail up to its end; the last answer may take ten minutes."""
    ca_file: Path | None = None
    """PEM: the only authorities whose certificates are trusted, instead of the system's."""

    def __post_init__(self) -> None:
        if not self.server or any(c.isspace() for c in self.server):
            raise ValueError("server must be a host's name or address, such as smtp.gmail.com")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port must be from 1 to 65535, not {self.port}")
        if not 0 < self.timeout <= _LONGEST:
            raise ValueError(f"timeout must be more than 0 and at most {_LONGEST} seconds, not {self.timeout:g}")
        self._check_login()
        self._check_tls()

    def _check_tls(self) -> None:
        if self.use_tls and self.use_ssl:
            raise ValueError("use_tls (STARTTLS, port 587) and use_ssl (TLS at once, port 465): set only one")
        if self.port == 465 and not self.use_ssl:
            raise ValueError("port 465 speaks TLS from the first byte: set use_ssl, not use_tls")
        if self.ca_file is not None:
            self.tls_context()  # now, so that a check finds a file that can't be used

    def _check_login(self) -> None:
        if bool(self.username) != bool(self.password):
            raise ValueError("username and password go together: set both, or neither")
        if not (self.username.isascii() and self.password.isascii()):
            raise ValueError("username and password must be ASCII (Python's smtplib sends nothing else)")
        if self.password and not (self.use_tls or self.use_ssl or self._is_here()):
            raise ValueError(f"the password would go to {self.server} in the clear: set use_tls (587) or use_ssl (465)")

    def _is_here(self) -> bool:
        return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|::1", self.server) is not None

    def tls_context(self) -> ssl.SSLContext:
        """Verifies the relay's certificate and name. Raises ValueError for a bad `ca_file`."""
        import ssl  # takes 20 ms, which the check of a relay without TLS needn't spend

        if self.ca_file is not None and not self.ca_file.is_file():
            raise ValueError(f"ca_file: there is no file {self.ca_file}")
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (ssl.SSLError, OSError) as error:
            raise ValueError(f"ca_file: {self.ca_file} holds no certificates in PEM form: {error}") from error

    def __str__(self) -> str:
        return f"mail server {self.server}:{self.port}"
