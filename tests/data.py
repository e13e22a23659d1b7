# SPDX-License-Identifier: GPL-3.0-or-later
"""Test data that nobody here wrote; it stands beside the project and is never copied into it."""

import re
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SCANNER_FILES = Path("/usr/share/clamav-testfiles")
"""Debian's package clamav-testfiles."""


def evasions() -> dict[str, bytes]:
    """Return ClamAV's own samples of mail that hides a test file, by name, octets as they came."""
    folder = DATA / "mime" / "clamav"
    return {path.name.removesuffix(".eml.b64"): b64decode(path.read_bytes()) for path in sorted(folder.iterdir())}


def oddities(kind: str) -> dict[str, bytes]:
    """Return valid but unusual mail; ``kind``: ``hide-content`` or ``hide-filename``."""
    return {path.name: path.read_bytes() for path in sorted((DATA / "mime" / "mime-is-broken" / kind).iterdir())}


def mails(kind: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and octets of real mail, CRLF line ends, no mbox line; ``kind``: ``ham`` or ``spam``."""
    with tarfile.open(DATA / "mail" / "spamassassin-corpus-dev.tar.xz") as corpus:
        for member in corpus:
            file = corpus.extractfile(member) if member.isfile() and kind in member.name else None
            if file is not None:
                octets = re.sub(rb"\AFrom [^\n]*\n", b"", file.read())
                yield member.name, re.sub(rb"\r?\n", b"\r\n", octets)


SAMPLES = Path(__file__).resolve().parents[1] / ".venv" / "samples" / "dkimpy" / "data"
"""What dkimpy tests itself with; ``tests/setup.sh`` fetches it."""


def dkimpy_sample(name: str) -> bytes:
    """Return a sample of dkimpy's, a message with CRLF line ends."""
    octets = (SAMPLES / name).read_bytes()
    return re.sub(rb"\r?\n", b"\r\n", octets) if ".m" in name else octets
