# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``check`` finds out: one row for each question, with what to do when the answer is no good.

*Source:* the EICAR test file (eicar.org), GTUBE (SpamAssassin).
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_NESTING = 20
"""clamd's MaxRecursion is 17."""


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Row:
    """One answer."""

    subject: str
    """What was asked: ``clamd unix:/run/clamav/clamd.ctl``."""
    state: State
    text: str
    advice: str = ""
    """What to do next; empty when all is well."""


Rows = Iterator[Row]


def eicar() -> bytes:
    """Return the test file that every virus scanner knows; in pieces, or scanners find this module."""
    return rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + b"$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


def gtube() -> bytes:
    """Return the line that every SpamAssassin knows."""
    return b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-" + b"ANTI-UBE-TEST-EMAIL*C.34X"


def nested_eicar(levels: int = _NESTING) -> bytes:
    """Return EICAR inside so many zip files that a scanner's limits keep it from looking."""
    octets, name = eicar(), "eicar.com"
    for level in range(levels):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, octets)
        octets, name = packed.getvalue(), f"{level}.zip"
    return octets


def encrypted_zip() -> bytes:
    """Return a zip file whose one member is marked as encrypted: nobody can look into it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("secret.txt", bytes(range(64)))
    octets = bytearray(packed.getvalue())
    # Bit 0 of the general purpose flags, in the local header and in the central directory (APPNOTE 4.4.4).
    octets[6] |= 1
    octets[octets.find(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)
