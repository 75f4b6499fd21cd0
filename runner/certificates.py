"""The certificate and the key of a listener that speaks TLS: what is wrong with them, and whether they
have changed. Left out: who listens (see `intake.serving`).
"""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from runner.pipeline import Tls

CURVES = ("secp256r1", "secp384r1")
"""Those that granian serves; others end its process."""
WARN_BEFORE = timedelta(days=14)


class Fault(NamedTuple):
    """What is wrong with one of the files. `serious`: no TLS is possible with it."""

    where: Literal["certificate", "key"]
    message: str
    serious: bool = True


Stamp = tuple[tuple[int, int, int], ...]
"""What changes when a file does."""


def faults_of(tls: Tls, now: datetime | None = None) -> list[Fault]:
    """At most one serious fault."""
    try:
        return list(_doubts(tls, now or datetime.now(UTC)))
    except _Unusable as unusable:
        return [unusable.fault]


def server_context(tls: Tls) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) for files that can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    return context


def stamp_of(tls: Tls) -> Stamp:
    """Empty while a file is missing, as in the middle of an exchange."""
    try:
        found = [path.stat() for path in (tls.certificate, tls.key)]
    except OSError:
        return ()
    return tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in found)


class _Unusable(Exception):
    def __init__(self, where: Literal["certificate", "key"], message: str) -> None:
        super().__init__(message)
        self.fault = Fault(where, message)


def _doubts(tls: Tls, now: datetime) -> Iterator[Fault]:
    certificate, key = _certificate(tls.certificate), _key(tls.key)
    if _spki(key) != _spki(certificate):
        raise _Unusable("key", f"{tls.key.name} is not the key of {tls.certificate.name}")
    try:
        server_context(tls)
    except OSError as error:
        raise _Unusable("certificate", f"{tls.certificate.name} can't be used: {_reason(error)}") from None
    ends, begins = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if ends <= now:
        raise _Unusable("certificate", f"{tls.certificate.name} has expired on {ends:%Y-%m-%d}; renew it")
    if begins > now:
        raise _Unusable("certificate", f"{tls.certificate.name} is valid only from {begins:%Y-%m-%d %H:%M} UTC")
    if ends - now < WARN_BEFORE:
        yield Fault("certificate", f"{tls.certificate.name} expires on {ends:%Y-%m-%d}; renew it", serious=False)
    if tls.key.stat().st_mode & stat.S_IROTH:
        yield Fault("key", f"everybody on this machine may read {tls.key.name}; chmod 600 it", serious=False)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(_read(path, "certificate"))[0]
    except ValueError:
        raise _Unusable("certificate", f"{path.name} has no certificate in PEM form") from None


def _key(path: Path) -> object:
    """The public half of the key."""
    text = _read(path, "key")
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError:
        raise _Unusable("key", f"{path.name} is encrypted; store it without a password, and with mode 600") from None
    except Exception:  # noqa: BLE001 - ValueError, UnsupportedAlgorithm, …
        raise _Unusable("key", f"{path.name} has no private key in PEM form") from None
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else ""
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) and curve not in CURVES:
        kinds = "ECDSA on P-256 or P-384, Ed25519, or RSA"
        raise _Unusable("key", f"{path.name} is a key of a kind that can't be served; use {kinds}")
    return key.public_key()


def _read(path: Path, where: Literal["certificate", "key"]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _Unusable(where, f"{path.name} can't be read: {_reason(error)}") from None


def _spki(of: object) -> bytes:
    """The public key of a certificate or of a key, in bytes that can be compared."""
    public = of.public_key() if isinstance(of, x509.Certificate) else of
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(encoding, form)  # type: ignore[attr-defined,no-any-return]  # whatever kind it is


def _reason(error: OSError) -> str:
    return (getattr(error, "reason", None) or error.strerror or str(error)).replace("_", " ").lower()


def _no_password() -> str:
    """OpenSSL would ask the terminal."""
    raise ValueError("the key is encrypted")
