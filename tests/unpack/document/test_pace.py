# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents made to be slow: time grows as the octets do."""

import time
from collections.abc import Callable

import pytest

from milterguard.unpack.document import office, ole, onenote, rtf
from milterguard.unpack.source import Look
from tests.unpack.document import test_office, test_onenote
from tests.unpack.document.cfb import compound
from tests.unpack.document.looking import look_at

MEBIBYTE = 1 << 20
SECONDS = 10
"""For a MiB; the slowest takes one on an ordinary machine, and what is quadratic takes hours."""


def filled(fill: bytes) -> bytes:
    return fill * (MEBIBYTE // len(fill))


def part(name: str, fill: bytes) -> bytes:
    return test_office.packed({"[Content_Types].xml": b"x", name: filled(fill)})


SLOW: dict[str, tuple[Look, Callable[[], bytes]]] = {
    "letters in a note": (onenote.look, lambda: test_onenote.HEAD + test_onenote.embedded(b"x") + filled(b"a\0")),
    "groups in an object": (rtf.look, lambda: b"{\\rtf1{\\objdata " + filled(b"{")),
    "objects in objects": (rtf.look, lambda: b"{\\rtf1" + filled(b"{\\*\\objdata 41")),
    "fields": (rtf.look, lambda: b"{\\rtf1" + filled(b"\\fldinst ")),
    "backslashes in a table": (ole.look, lambda: compound({"WordDocument": b"x" * 600, "1Table": filled(b"\\\0")})),
    "heads of source": (ole.look, lambda: compound({"VBA": {"m": filled(b"\x01\x06\xb0\0Attribut")}})),
    "open tags": (office.look, lambda: part("a.rels", b"<Relationship ")),
    "open quotes": (office.look, lambda: part("a.rels", b"<Relationship a='")),
    "ribbons": (office.look, lambda: part("customUI/a.xml", b"<customUI ")),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_mebibyte_takes_no_hours(name: str) -> None:
    """Whatever it is made of."""
    look, make = SLOW[name]
    octets = make()
    before = time.process_time()
    look_at(look, octets)
    assert time.process_time() - before < SECONDS
