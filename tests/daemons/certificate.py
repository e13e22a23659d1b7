# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority for one test run, and a certificate for 127.0.0.1 that it has signed.

*Source:* openssl(1).
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files, in PEM; the key is readable by everybody, for daemons that give up root."""

    ca_file: Path
    file: Path
    key_file: Path


def certificate(folder: Path, *, name: str = "localhost", addresses: str = "IP:127.0.0.1,DNS:localhost") -> Certificate:
    """A certificate for these addresses, and the authority that vouches for it and for nobody else."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key, file, key = (folder / each for each in ("ca.pem", "ca-key.pem", "cert.pem", "key.pem"))
    # Names of its own, or two authorities would look alike to a client that has both.
    subject = f"/CN=authority {folder.name}"
    _openssl("req", "-x509", *_EC, "-subj", subject, "-keyout", ca_key, "-out", ca)
    signed = ("-CA", ca, "-CAkey", ca_key, "-addext", f"subjectAltName={addresses}")
    _openssl("req", "-x509", *_EC, *signed, "-subj", f"/CN={name}", "-keyout", key, "-out", file)
    for path in (ca, file, key):
        path.chmod(0o644)
    return Certificate(ca, file, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
