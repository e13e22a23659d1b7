# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents are looked into where nothing can be opened any more: no file, no module, no device."""

import os
import traceback
from collections.abc import Callable
from dataclasses import replace

import pikepdf
import pytest

from milterguard.core.part import Flag
from milterguard.unpack import seal
from milterguard.unpack.document import ole, pdf, preload
from milterguard.unpack.quota import OverLimits
from milterguard.unpack.source import Look, Source, Undecodable
from tests.unpack.document import test_password, test_pdf
from tests.unpack.document.looking import quota
from tests.unpack.document.test_mutations import SAMPLES

GEHEIM = "geheim"
MORE: dict[str, tuple[Look, Callable[[], bytes]]] = {
    "encrypted document": (ole.look, lambda: test_password.encrypted(GEHEIM)),
    "encrypted pdf": (
        pdf.look,
        lambda: test_pdf.made(test_pdf.with_file, encryption=pikepdf.Encryption(owner="x", user=GEHEIM)),
    ),
    "broken pdf": (pdf.look, lambda: test_pdf.made(test_pdf.with_file)[:-200]),
}


def found_behind_seal(look: Look, octets: bytes) -> str:
    """Return what a sealed child finds: flags and sizes of children, or the trace of what went wrong."""
    preload()
    content = os.memfd_create("sample")
    os.write(content, octets)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            # Here rather than before: it makes of its own process what is killed first when memory is short.
            terms = replace(seal.prepare(memory_bytes=512 << 20, cpu_seconds=20), parent=os.getppid())
            seal.withdraw(terms)
            seal.shut(terms, max_bytes=32 << 20, max_depth=8)
            os.write(writing, described(look, content).encode())
        except BaseException:  # noqa: BLE001  (the child must not go on as pytest)
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read().decode()
    os.close(content)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"killed: {status}"
    return told


def described(look: Look, content: int) -> str:
    flags: set[Flag] = set()
    sizes = []
    try:
        for find in look(Source(content, passwords=("wrong", GEHEIM)), quota()):
            flags |= find.flags
            if (blocks := getattr(find, "blocks", None)) is not None:
                sizes.append(sum(map(len, blocks)))
    except (Undecodable, OverLimits) as error:
        return str(error)
    return f"{sorted(flags)} {sizes}"


@pytest.mark.parametrize("name", [*SAMPLES, *MORE])
def test_what_is_found_behind_the_seal_is_what_is_found_before_it(name: str) -> None:
    """No library wants anything more that is not in memory."""
    look, make = {**SAMPLES, **MORE}[name]
    octets = make()
    content = os.memfd_create("sample")
    os.write(content, octets)
    expected = described(look, content)
    os.close(content)
    assert found_behind_seal(look, octets) == expected
