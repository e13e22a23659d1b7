# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents with octets changed, cut out and doubled: nothing hangs, crashes or takes all memory."""

import contextlib
import os
import random
import resource
import traceback
from collections.abc import Callable

import pytest

from milterguard.unpack.document import office, ole, onenote, pdf, preload, rtf, tnef
from milterguard.unpack.quota import OverLimits
from milterguard.unpack.source import Look, Undecodable
from tests.unpack.document import test_office, test_ole, test_onenote, test_pdf, test_rtf
from tests.unpack.document.cfb import compound, package, records, vba
from tests.unpack.document.looking import CLAM, look_at

MUTATIONS = 200
CPU_SECONDS = 30
MEMORY_BYTES = 1 << 31
FINE, UNEXPECTED = 0, 3

SAMPLES: dict[str, tuple[Look, Callable[[], bytes]]] = {
    "doc": (ole.look, lambda: (CLAM / "clam.ole.doc").read_bytes()),
    "ppt": (ole.look, lambda: (CLAM / "clam.ppt").read_bytes()),
    "vba": (ole.look, lambda: compound({"Macros": vba(test_ole.AUTO), "\x01Ole10Native": package(b"a", b"b")})),
    "xls": (ole.look, lambda: compound({"Workbook": records(test_ole.sheet(1), test_ole.spelled_name(b"Auto_Open"))})),
    "msg": (ole.look, lambda: compound({"__attach_version1.0_#0": test_ole.attachment("a.exe", b"MZ" * 3000)})),
    "docm": (
        office.look,
        lambda: test_office.packed({"[Content_Types].xml": test_office.TYPES, "word/vbaProject.bin": test_office.AUTO}),
    ),
    "pdf": (pdf.look, lambda: (CLAM / "clam.pdf").read_bytes()),
    "pdf with scripts": (pdf.look, lambda: test_pdf.made(test_pdf.scripted)),
    "tnef": (tnef.look, lambda: (CLAM / "clam.tnef").read_bytes()),
    "one": (onenote.look, lambda: test_onenote.HEAD + test_onenote.embedded(b"MZ" * 300)),
    "rtf": (rtf.look, lambda: test_rtf.document(test_rtf.HEX)),
}


def mutated(octets: bytes, chance: random.Random) -> bytes:
    found = bytearray(octets)
    for _ in range(chance.choice((1, 2, 8, 30))):
        at = chance.randrange(len(found))
        size = chance.choice((1, 2, 4, 16, 64, 512))
        match chance.randrange(4):
            case 0:
                found[at] = chance.randrange(256)
            case 1:
                found[at : at + size] = chance.choice((b"\xff", b"\0", b"\x80")) * min(size, len(found) - at)
            case 2:
                found[at : at + size] = b"" if len(found) > size else found[at : at + size]
            case _:
                found[at:at] = found[at : at + size]
    return bytes(found)


def run_all(name: str) -> int:
    look, make = SAMPLES[name]
    octets, chance = make(), random.Random(name)
    for _ in range(MUTATIONS):
        with contextlib.suppress(Undecodable, OverLimits, MemoryError):
            look_at(look, mutated(octets, chance))
    return FINE


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_hangs_or_crashes(name: str) -> None:
    """Whatever is changed, what is not told is undecodable or over limits."""
    preload()
    pid = os.fork()
    if pid == 0:
        status = UNEXPECTED
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            status = run_all(name)
        except BaseException:  # noqa: BLE001  (the child must not go on as pytest)
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    _, ended = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(ended) == FINE
