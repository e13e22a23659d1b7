# SPDX-License-Identifier: GPL-3.0-or-later
"""OneNote: files that were dropped into a note."""

import struct

from milterguard.core.part import Flag
from milterguard.unpack.document import onenote
from tests.unpack.document.looking import look_at

HEAD = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(500)
EXE = b"MZ" + bytes(300)


def embedded(data: bytes, *, size: int | None = None) -> bytes:
    return onenote.MARK + struct.pack("<QIQ", len(data) if size is None else size, 0, 0) + data + bytes(16)


def test_files_are_taken_out() -> None:
    """Each where its mark stands."""
    seen = look_at(onenote.look, HEAD + embedded(EXE) + bytes(77) + embedded(b"<script>"))
    assert [data for _, data in seen.children] == [EXE, b"<script>"]
    assert seen.flags == {Flag.EMBEDDED}


def test_names_are_guessed() -> None:
    """Whatever looks like one."""
    name = b"\x10\0" + "invoice.hta".encode("utf-16-le") + b"\0\0"
    seen = look_at(onenote.look, HEAD + name + embedded(EXE))
    assert seen.children == [(("invoice.hta",), EXE)]


def test_a_wrong_length_gives_what_is_there() -> None:
    """To the end of the note."""
    ((_, data),) = look_at(onenote.look, HEAD + embedded(EXE, size=1 << 60)).children
    assert data.startswith(EXE)


def test_a_note_without_files_has_none() -> None:
    """And is not flagged."""
    seen = look_at(onenote.look, HEAD)
    assert (seen.children, seen.flags) == ([], set())
