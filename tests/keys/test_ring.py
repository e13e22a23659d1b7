# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in files: whose, how closely held, read again when they change."""

import os
from pathlib import Path

import pytest

from milterguard.config.signing import DkimKey
from milterguard.dkim.compose import SigningKey
from milterguard.errors import SignError
from milterguard.keys.private import PrivateKey, generated, read_pem
from milterguard.keys.ring import FileKeys, NoKeys

RSA, ED25519 = generated("rsa", bits=1024), generated("ed25519")
DIGEST = bytes(32)


def entry(
    folder: Path, key: PrivateKey, *, domain: str = "example.com", selector: str = "s", below: bool = False
) -> DkimKey:
    file = folder / f"{domain}.{selector}.pem"
    file.touch(mode=0o600)
    file.write_bytes(key.pem())
    return DkimKey(domain, selector, str(file), below)


def test_the_keys_of_a_domain(tmp_path: Path) -> None:
    """All of its own; for a domain below only those that say so, and the closest."""
    ring = FileKeys(
        [
            entry(tmp_path, RSA, selector="r"),
            entry(tmp_path, ED25519, selector="e"),
            entry(tmp_path, RSA, domain="example.net", below=True),
            entry(tmp_path, RSA, domain="sub.example.net"),
        ]
    )
    assert ring.keys("example.com") == (
        SigningKey("example.com", "r", "rsa-sha256"),
        SigningKey("example.com", "e", "ed25519-sha256"),
    )
    assert ring.keys("mail.example.com") == ()
    assert [key.domain for key in ring.keys("a.example.net")] == ["example.net"]
    assert [key.domain for key in ring.keys("sub.example.net")] == ["sub.example.net"]
    assert ring.keys("badexample.com") == ()


def test_a_signature_is_the_keys(tmp_path: Path) -> None:
    """And of no other."""
    ring = FileKeys([entry(tmp_path, RSA)])
    (key,) = ring.keys("example.com")
    assert ring.sign(key, DIGEST) == RSA.sign(DIGEST)
    with pytest.raises(SignError, match=r"no key x of example\.com"):
        ring.sign(SigningKey("example.com", "x", "rsa-sha256"), DIGEST)
    with pytest.raises(SignError):
        NoKeys().sign(key, DIGEST)
    assert NoKeys().keys("example.com") == ()


def test_a_key_that_changes_is_read_again(tmp_path: Path) -> None:
    """A broken one is not: the last good one is used on, and the log says so once."""
    made = entry(tmp_path, RSA)
    ring = FileKeys([made])
    (key,) = ring.keys("example.com")
    other = generated("rsa", bits=1024)
    Path(made.file).write_bytes(other.pem())
    os.utime(made.file, ns=(1, 1))
    assert ring.sign(key, DIGEST) == other.sign(DIGEST)
    Path(made.file).write_bytes(b"nonsense")
    assert ring.sign(key, DIGEST) == other.sign(DIGEST)
    Path(made.file).unlink()
    assert ring.sign(key, DIGEST) == other.sign(DIGEST)


@pytest.mark.parametrize(
    ("mode", "is_taken"), [(0o600, True), (0o400, True), (0o640, True), (0o644, False), (0o660, False), (0o604, False)]
)
def test_nobody_else_may_read_a_key(mode: int, is_taken: bool, tmp_path: Path) -> None:
    """Its group may, if it cannot change it."""
    made = entry(tmp_path, RSA)
    Path(made.file).chmod(mode)
    if is_taken:
        assert FileKeys([made]).keys("example.com")
    else:
        with pytest.raises(SignError, match="chmod 0600"):
            FileKeys([made]).keys("example.com")


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        (b"x" * 100, "not a private key"),
    ],
)
def test_what_is_no_key(octets: bytes, said: str) -> None:
    """Told with the place, and without its content."""
    with pytest.raises(SignError, match=f"here: {said}") as caught:
        read_pem(octets, where="here")
    assert "AAAA" not in str(caught.value)


def test_keys_of_other_kinds_and_sizes() -> None:
    """Elliptic curves of others and RSA of 512 bits are none that anybody would verify with."""
    from cryptography.hazmat.primitives.asymmetric import ec

    curve = ec.generate_private_key(ec.SECP256R1())
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    with pytest.raises(SignError, match="neither RSA nor Ed25519"):
        read_pem(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), where="x")
    with pytest.raises(SignError, match="passphrase"):
        read_pem(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n", where="x")


def test_the_missing_file_is_named(tmp_path: Path) -> None:
    """And a folder is no key."""
    with pytest.raises(SignError, match=r"nowhere\.pem: No such file"):
        FileKeys([DkimKey("example.com", "s", str(tmp_path / "nowhere.pem"))]).keys("example.com")
    with pytest.raises(SignError, match="not a regular file"):
        FileKeys([DkimKey("example.com", "s", str(tmp_path))]).keys("example.com")
