"""What `check` says of a certificate and its key."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runner.certificates import faults_of, server_context, stamp_of
from runner.pipeline import Tls

DAY = timedelta(days=1)


def made(
    folder: Path,
    *,
    begins: timedelta = -DAY,
    ends: timedelta = 90 * DAY,
    password: bytes = b"",
    curve: ec.EllipticCurve | None = None,
) -> Tls:
    """A certificate of localhost and its key, in `folder`."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + begins).not_valid_after(now + ends)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files = Tls(folder / "cert.pem", folder / "key.pem")
    for path, text in (
        (files.certificate, builder.sign(key, hashes.SHA256()).public_bytes(pem)),
        (files.key, key.private_bytes(pem, form, lock)),
    ):
        new = path.with_suffix(".new")
        new.write_bytes(text)
        new.chmod(0o600)
        new.replace(path)
    return files


def said(files: Tls) -> list[tuple[str, str, bool]]:
    return [(fault.where, fault.message, fault.serious) for fault in faults_of(files)]


def test_files_that_are_right_are_fine_and_serve_tls_from_1_2_on(tmp_path: Path) -> None:
    files = made(tmp_path)
    assert said(files) == []
    assert server_context(files).minimum_version.name == "TLSv1_2"


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_a_file_that_is_missing_or_that_is_something_else_is_named(tmp_path: Path, missing: str) -> None:
    files = made(tmp_path)
    path = tmp_path / {"certificate": "cert.pem", "key": "key.pem"}[missing]
    path.write_text("nonsense")
    [(where, message, serious)] = said(files)
    assert (where, serious) == (missing, True)
    assert message.startswith(f"{path.name} has no ")
    path.unlink()
    assert said(files) == [(missing, f"{path.name} can't be read: no such file or directory", True)]
    assert stamp_of(files) == ()


def test_a_key_of_another_certificate_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files, other = made(tmp_path), made(tmp_path / "other")
    shutil.copy(other.key, files.key)
    assert said(files) == [("key", "key.pem is not the key of cert.pem", True)]


def test_a_key_with_a_password_is_said_to_have_one(tmp_path: Path) -> None:
    assert said(made(tmp_path, password=b"secret"))[0][1].startswith("key.pem is encrypted; store it without")


def test_a_key_that_cannot_be_served_is_an_error_before_it_ends_the_process(tmp_path: Path) -> None:
    for curve in (ec.SECP521R1(), ec.SECP256K1()):
        [(where, message, serious)] = said(made(tmp_path, curve=curve))
        assert (where, serious) == ("key", True)
        assert message.startswith("key.pem is a key of a kind that can't be served; use ECDSA on P-256 or P-384")
    assert said(made(tmp_path, curve=ec.SECP384R1())) == []


def test_a_certificate_out_of_its_time_is_an_error_and_one_that_soon_will_be_a_warning(tmp_path: Path) -> None:
    assert "cert.pem has expired on" in said(made(tmp_path, begins=-2 * DAY, ends=-DAY))[0][1]
    assert "cert.pem is valid only from" in said(made(tmp_path, begins=DAY))[0][1]
    [(where, message, serious)] = said(made(tmp_path, ends=13 * DAY))
    assert (where, serious) == ("certificate", False)
    assert message.startswith("cert.pem expires on ")
    assert said(made(tmp_path, ends=15 * DAY)) == []


def test_a_key_that_everybody_may_read_is_a_warning(tmp_path: Path) -> None:
    files = made(tmp_path)
    files.key.chmod(0o644)
    assert said(files) == [("key", "everybody on this machine may read key.pem; chmod 600 it", False)]


def test_a_file_that_was_exchanged_has_another_stamp(tmp_path: Path) -> None:
    before = stamp_of(made(tmp_path))
    assert stamp_of(made(tmp_path)) != before
