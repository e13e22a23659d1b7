# SPDX-License-Identifier: GPL-3.0-or-later
"""TNEF: attachments with their names, messages in messages, and what is broken."""

import struct

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.document import tnef
from milterguard.unpack.source import Undecodable
from tests.unpack.document.looking import CLAM, look_at

EXE = b"MZ" + bytes(300)


def attribute(level: int, number: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, number, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*found: tuple[int, int, bytes]) -> bytes:
    """Return a list of properties of variable length: type, number, value."""
    octets = struct.pack("<I", len(found))
    for kind, number, value in found:
        octets += struct.pack("<HHII", kind, number, 1, len(value)) + value + bytes(-len(value) % 4)
    return octets


def attachment(title: bytes, data: bytes | None, *more: tuple[int, int, bytes]) -> bytes:
    octets = attribute(2, 0x00069002, bytes(14)) + attribute(2, 0x00018010, title + b"\0")
    if data is not None:
        octets += attribute(2, 0x0006800F, data)
    return octets + (attribute(2, 0x00069005, properties(*more)) if more else b"")


def stream(*attachments: bytes) -> bytes:
    return tnef.SIGNATURE + b"\x01\0" + attribute(1, 0x00089006, b"\0\0\1\0") + b"".join(attachments)


def test_attachments_are_taken_out() -> None:
    """Each with its names, short, long and shown."""
    more = ((0x1E, 0x3707, b"long name.exe\0"), (0x1F, 0x3001, "größe.exe\0".encode("utf-16-le")))
    seen = look_at(tnef.look, stream(attachment(b"LONGNA~1.EXE", EXE, *more), attachment(b"b.txt", b"text")))
    assert seen.children == [(("LONGNA~1.EXE", "long name.exe", "größe.exe"), EXE), (("b.txt",), b"text")]
    assert seen.flags == {Flag.EMBEDDED}


def test_data_that_stands_in_a_property_is_taken_out() -> None:
    """Behind properties of other sorts, named ones too."""
    named = struct.pack("<HH16sII", 0x3, 0x8001, bytes(16), 0, 5) + struct.pack("<I", 7)
    wordy = struct.pack("<HH16sII", 0xB, 0x8002, bytes(16), 1, 6) + "abc".encode("utf-16-le") + b"\0\0" + bytes(4)
    rest = properties((0x102, 0x3701, EXE))
    octets = struct.pack("<I", 3) + named + wordy + rest[4:]
    whole = (
        attribute(2, 0x00069002, bytes(14)) + attribute(2, 0x00018010, b"c.exe\0") + attribute(2, 0x00069005, octets)
    )
    assert look_at(tnef.look, stream(whole)).children == [(("c.exe",), EXE)]


def test_a_message_that_is_attached_is_told_as_tnef() -> None:
    """Without the number of its interface in front."""
    inner = stream(attachment(b"inner.exe", EXE))
    seen = look_at(tnef.look, stream(attachment(b"Mail", None, (0x0D, 0x3701, bytes(range(16)) + inner))))
    assert seen.children == [(("Mail",), inner)]
    assert look_at(tnef.look, inner).children == [(("inner.exe",), EXE)]


def test_a_wrong_checksum_hides_nothing() -> None:
    """Programs do not agree on whether it matters."""
    octets = bytearray(stream(attachment(b"a.exe", EXE)))
    octets[-1] ^= 0xFF
    assert look_at(tnef.look, bytes(octets)).children == [(("a.exe",), EXE)]


def test_one_cut_short_is_told_as_far_as_it_goes() -> None:
    """And that it is cut."""
    seen = look_at(tnef.look, stream(attachment(b"a.exe", EXE))[:-50])
    assert seen.children == [(("a.exe",), EXE[:-48])]
    assert Flag.UNDECODABLE in seen.flags


def test_what_is_none_is_undecodable() -> None:
    """Such as nothing at all."""
    with pytest.raises(Undecodable):
        look_at(tnef.look, b"")


def test_a_real_one_gives_its_program() -> None:
    """With its name."""
    seen = look_at(tnef.look, (CLAM / "clam.tnef").read_bytes())
    assert seen.children == [(("clam.exe",), (CLAM / "clam.exe").read_bytes())]
