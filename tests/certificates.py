"""A certificate for the servers of the tests that speak TLS."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """Of `localhost` (and not of 127.0.0.1), signed by itself."""

    file: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    """One in `folder`, made anew for each run by the `openssl` program, which every Linux and macOS has:
    a committed one would expire, and a package to make one would be needed for this alone."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing = "left out: what speaks TLS; it needs the program openssl (apt-get install openssl)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    command = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    extensions = ("subjectAltName=DNS:localhost", "keyUsage=critical,digitalSignature,keyCertSign")
    arguments = [*command.split(), *(part for extension in extensions for part in ("-addext", extension))]
    subprocess.run([*arguments, "-out", made.file, "-keyout", made.key], check=True, capture_output=True)
    return made
