# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fuzzed: each target takes any octets, and raises only where the code under test is at fault."""

import contextlib
import re
import time
from collections.abc import Callable
from importlib import import_module

from milterguard.mime.calendar import attached
from milterguard.mime.decode import carved, decodings, embedded
from milterguard.mime.structure import walk
from milterguard.unpack import plain_pdf, wire
from milterguard.unpack.document import cms
from milterguard.unpack.source import Undecodable

LONGEST_INPUT = 65_536
SECONDS_FOR_ONE = 2.0
"""Processor time that an input of that length may take."""

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_PDF, _PDF_END = b"%PDF-1.4\n", b"\ntrailer\nstartxref\n1\n%%EOF\n"
_SIGNED = bytes.fromhex("308006092a864886f70d010702a0803080020101310030800609")
_LARGEST_BLOCK = 1 << 20
_MOST_READINGS = 8


def base64(octets: bytes) -> None:
    """Decode base64, in every reading."""
    _decode(octets, "base64")


def quoted(octets: bytes) -> None:
    """Decode quoted-printable, in every reading."""
    _decode(octets, "quoted-printable")


def foreign(octets: bytes) -> None:
    """Decode uuencode, yEnc and BinHex, and look for them and for base64 in a text."""
    for encoding in ("uuencode", "yenc", "binhex"):
        _decode(octets, encoding)
    for file in embedded(octets, 0, len(octets)):
        assert 0 <= file.start <= file.end <= len(octets)
        _read(octets, file.start, file.end, file.encoding)
    for start, end in carved(octets, 0, len(octets)):
        assert 0 <= start < end <= len(octets)


def walker(octets: bytes) -> None:
    """Take a whole message apart."""
    found = _BLANK_LINE.search(octets)
    header, body = (octets[: found.start()], octets[found.end() :]) if found else (octets, b"")
    walk(re.sub(rb"\r?\n", b"\r\n", header + b"\r\n"), body)


def names(octets: bytes) -> None:
    """Read the names that the fields of a part may give it."""
    fields = octets.split(b"\0", 5)
    import_module("milterguard.mime.names").candidates(fields[::3], fields[1::3], fields[2::3])


def listing(octets: bytes) -> None:
    """Read what a sealed child says."""
    for parse in (wire.parse, wire.parse_hello):
        with contextlib.suppress(wire.Garbled):
            parse(octets)


def calendar(octets: bytes) -> None:
    """Look for files in a calendar."""
    for name, encoded in attached(octets):
        assert "\n" not in name
        assert b"\n" not in encoded


def plain(octets: bytes) -> None:
    """Tell whether a PDF has nothing in it, whatever the blocks it comes in."""
    document = _PDF + octets + _PDF_END
    whole, cut = plain_pdf.is_plain([document]), len(_PDF) + len(octets) // 2
    assert plain_pdf.is_plain([document[:cut], document[cut:]]) == whole


def signed(octets: bytes) -> None:
    """Take what is signed out of its envelope: the octets are the envelope, or all but its beginning."""
    for beginning in (b"", _SIGNED):
        with contextlib.suppress(Undecodable):
            found = list(cms.pieces(beginning + octets))
            assert sum(map(len, found)) <= len(beginning + octets)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (base64, quoted, foreign, walker, names, listing, calendar, plain, signed)
}


def timed(target: Callable[[bytes], None], octets: bytes) -> None:
    """Run a target, and raise when it takes too long."""
    began = time.process_time()
    target(octets)
    seconds = time.process_time() - began
    assert seconds <= SECONDS_FOR_ONE, f"{seconds:.1f} s for {len(octets)} octets"


def _decode(octets: bytes, encoding: str) -> None:
    _read(octets, 0, len(octets), encoding)


def _read(octets: bytes, start: int, end: int, encoding: str) -> None:
    found = decodings(octets, start, end, encoding)
    assert 1 <= len(found) <= _MOST_READINGS
    assert not found[0].reading
    assert not found[0].is_ambiguous
    for decoding in found:
        assert all(0 < len(block) <= _LARGEST_BLOCK for block in decoding.blocks())
