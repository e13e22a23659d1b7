# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that stand as files somewhere."""

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.document import eml
from tests.unpack.document.looking import CLAM, look_at

PARTS = (
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=Y\r\n\r\n"
    b"--Y\r\n\r\ntext\r\n--Y\r\nContent-Type: application/octet-stream; name=a.exe\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n--Y--\r\n"
)
DATA = b"MZ\x90\0\3\0\0\0\4\0\0\0"


def test_parts_are_taken_out() -> None:
    """Decoded, with their names."""
    seen = look_at(eml.look, PARTS)
    assert (("a.exe",), DATA) in seen.children
    assert (seen.flags, seen.hidden) == (set(), 0)


def test_line_ends_of_unix_are_as_good() -> None:
    """Files have those."""
    assert (("a.exe",), DATA) in look_at(eml.look, PARTS.replace(b"\r\n", b"\n")).children


def test_what_is_ambiguous_is_told() -> None:
    """And clamd is given each reading."""
    seen = look_at(eml.look, PARTS.replace(b"boundary=Y", b"boundary=Y; boundary=Z"))
    assert Flag.AMBIGUOUS in seen.flags


def test_a_mailbox_gives_its_messages() -> None:
    """Each on its own, without the line in front."""
    line = b"From x@example.com Thu Jul 31 13:51:21 2008\n"
    one, two = b"Subject: 1\n\nFrom here\n", b"Subject: 2\n\nb\n"
    seen = look_at(eml.look, line + one + b"\n" + line + two)
    assert [data for _, data in seen.children] == [one + b"\n", two]


@pytest.mark.parametrize("name", ["clam.mail", "clam.exe.mbox.base64", "clam.exe.mbox.uu"])
def test_real_ones_give_their_program(name: str) -> None:
    """However it is encoded."""
    octets = (CLAM / name).read_bytes()
    if octets.startswith(b"From "):
        ((_, octets),) = look_at(eml.look, octets).children
    assert (("clam.exe",), (CLAM / "clam.exe").read_bytes()) in look_at(eml.look, octets).children
