# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what the records of an old Excel workbook say: macro sheets, names that start them, encryption, DDE.

*Source:* MS-XLS sections 2.4.28 (BoundSheet8), 2.4.150 (Lbl), 2.4.117 (FilePass), 2.4.271 (SupBook).
"""

import struct
from collections.abc import Iterator

from milterguard.core.part import Flag

_BOUND_SHEET, _NAME, _FILE_PASS, _SUP_BOOK = 0x85, 0x18, 0x2F, 0x1AE
_OLD_NAMES = (0x18, 0x218)
_MACRO_SHEET = 1
_BUILT_IN = 0x20
_STARTERS = {1, 2, 10, 11}
"""Auto_Open, Auto_Close, Auto_Activate, Auto_Deactivate."""
_MAX_RECORDS = 2_000_000
_GLOBALS_END = 0x0A


def flags_of(workbook: bytes) -> frozenset[Flag]:
    """Return what the workbook stream tells. Never raises."""
    flags: set[Flag] = set()
    for kind, content in _records(workbook):
        if kind == _FILE_PASS:
            # What follows is gibberish but for the heads of the records.
            return frozenset(flags | {Flag.ENCRYPTED})
        if kind == _BOUND_SHEET and len(content) > 5 and content[5] == _MACRO_SHEET:
            flags.add(Flag.MACRO)
        elif kind in _OLD_NAMES and _is_starter(content):
            flags.add(Flag.AUTOEXEC)
        elif kind == _SUP_BOOK and _is_conversation(content):
            flags.add(Flag.EXTERNAL)
    # Names such as these occur without macros, where the macro sheet was taken out.
    return frozenset(flags if Flag.MACRO in flags else flags - {Flag.AUTOEXEC})


def _records(workbook: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    for _ in range(_MAX_RECORDS):
        if position + 4 > len(workbook):
            return
        kind, size = struct.unpack_from("<HH", workbook, position)
        if kind in (_BOUND_SHEET, _NAME, 0x218, _FILE_PASS, _SUP_BOOK):
            yield kind, workbook[position + 4 : position + 4 + size]
        position += 4 + size


def _is_starter(content: bytes) -> bool:
    if len(content) < 15:
        return False
    if struct.unpack_from("<H", content)[0] & _BUILT_IN:
        # BIFF8 has an octet of options before the name.
        return content[14] in _STARTERS or (content[14] == 0 and content[15:16] in (b"\x01", b"\x02", b"\x0a", b"\x0b"))
    letters = content[14:300].replace(b"\0", b"").lower()
    return b"auto_" in letters and any(
        b"auto_" + word in letters for word in (b"open", b"close", b"activate", b"deactivate")
    )


def _is_conversation(content: bytes) -> bool:
    """DDE and OLE links have no sheets and a path of two pieces; addresses on the web are fetched as well."""
    if len(content) < 5:
        return False
    sheets, length = struct.unpack_from("<HH", content)
    path = content[4:].replace(b"\0", b"").lower()
    return 0 < length <= 0xFF and ((sheets == 0 and b"\x03" in path) or b"http" in path[:16])
