# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files that want to become large ones: each is answered soon, and does not hide its neighbours."""

import gzip
import io
import lzma
import resource
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from milterguard.core.part import Flag
from tests.daemons.sample import EICAR
from tests.unpack.examined import Examined, examined, made, zipped

MEGABYTE = 1 << 20
SECONDS = 6.0
"""Of the processor; two on a machine that has nothing else to do."""


def answered(octets: bytes) -> Examined:
    """Examine within bounds of time and memory."""
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = examined(octets, keeps=False)
    assert time.process_time() - before < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000
    assert Flag.OVER_LIMITS in found.flags
    return found


def with_zeros(megabytes: int, method: int) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        with archive.open("zeros", "w", force_zip64=True) as file:
            for _ in range(megabytes):
                file.write(bytes(MEGABYTE))
        archive.writestr("eicar.com", EICAR)
    return octets.getvalue()


def holds_eicar(found: Examined, name: str = "eicar.com") -> bool:
    member = found.named(name)
    return member.size == len(EICAR) and member.digest != ""


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zeros_in_a_zip_do_not_hide_what_stands_behind(method: int) -> None:
    """In every method that Python writes."""
    assert holds_eicar(answered(with_zeros(200, method)))


@pytest.mark.parametrize(
    ("command", "result"),
    [
        (["gzip", "-1", "zeros"], "zeros.gz"),
        (["bzip2", "-1", "zeros"], "zeros.bz2"),
        (["xz", "-0", "zeros"], "zeros.xz"),
        (["xz", "-0", "--format=lzma", "zeros"], "zeros.lzma"),
        (["zstd", "-q", "-1", "zeros"], "zeros.zst"),
        (["lz4", "-q", "zeros", "zeros.lz4"], "zeros.lz4"),
        (["compress", "-f", "zeros"], "zeros.Z"),
        (["7zz", "a", "-mx=1", "zeros.7z", "zeros"], "zeros.7z"),
        (["arj", "a", "zeros.arj", "zeros"], "zeros.arj"),
    ],
)
def test_zeros_are_cut_in_every_compressor(tmp_path: Path, command: list[str], result: str) -> None:
    """Two hundred megabytes where one hundred are allowed."""
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(200 * MEGABYTE)
    answered(made(tmp_path, command, result=result))


def test_nested_zips_are_cut() -> None:
    """Sixteen in each of sixteen, five times."""
    octets = zipped({f"{number}.txt": bytes(3 * MEGABYTE) for number in range(16)})
    for _ in range(5):
        octets = zipped({**{f"{number}.zip": octets for number in range(16)}, "eicar.com": EICAR})
    assert any(member.path == (17,) and member.size == len(EICAR) for member in answered(octets).members)


def test_a_bomb_in_an_inner_zip_does_not_hide_its_neighbours() -> None:
    """Neither those beside it nor those beside the zip."""
    found = answered(zipped({"in.zip": with_zeros(200, zipfile.ZIP_DEFLATED), "outer.com": EICAR}))
    assert holds_eicar(found)
    assert holds_eicar(found, "outer.com")


def test_twelve_thousand_members_are_listed() -> None:
    """Not opened, but a name that is banned is there to be seen."""
    found = answered(zipped({**{f"{number}": b"x" for number in range(12_000)}, "eicar.com": EICAR}))
    assert "eicar.com" in found.names


def test_twelve_thousand_members_in_a_zip_do_not_hide_its_neighbour() -> None:
    """It is looked into."""
    inner = zipped({f"{number}": b"x" for number in range(12_000)})
    assert holds_eicar(answered(zipped({"in.zip": inner, "eicar.com": EICAR})))


def test_twelve_thousand_members_of_a_compressed_tar_are_listed() -> None:
    """What was decompressed already costs little."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w:gz", compresslevel=1) as archive:
        for number in range(12_000):
            archive.addfile(tarfile.TarInfo(f"{number}"))
        archive.addfile(tarfile.TarInfo("a.exe"))
    assert "a.exe" in answered(octets.getvalue()).names


def test_a_file_in_itself_again_and_again_is_cut() -> None:
    """As a quine would be, which has no end."""
    octets = EICAR
    for _ in range(40):
        octets = zipped({"r.zip": octets})
    answered(octets)
    for _ in range(40):
        octets = gzip.compress(octets, 1)
    answered(octets)
    for _ in range(40):
        octets = lzma.compress(octets, preset=0)
    answered(octets)


def test_overlapping_members_are_cut() -> None:
    """A thousand entries that share one kernel of zeros; EICAR stands behind them."""
    zeros, eicar = zlib.compress(bytes(20 * MEGABYTE), wbits=-15), zlib.compress(EICAR, wbits=-15)

    def numbers(packed: bytes, size: int) -> bytes:
        return struct.pack("<3L", 0, len(packed), size)

    def local(name: bytes, packed: bytes, size: int) -> bytes:
        head = struct.pack("<4s5H", b"PK\x03\x04", 20, 0, 8, 0, 0) + numbers(packed, size)
        return head + struct.pack("<2H", len(name), 0) + name + packed

    def central(name: bytes, packed: bytes, *, size: int, offset: int) -> bytes:
        head = struct.pack("<4s6H", b"PK\x01\x02", 20, 20, 0, 8, 0, 0) + numbers(packed, size)
        return head + struct.pack("<5H2L", len(name), 0, 0, 0, 0, 0, offset) + name

    octets = local(b"a", zeros, 20 * MEGABYTE)
    entries = [central(b"%05d" % number, zeros, size=20 * MEGABYTE, offset=0) for number in range(1000)]
    entries.append(central(b"eicar.com", eicar, size=len(EICAR), offset=len(octets)))
    octets += local(b"eicar.com", eicar, len(EICAR))
    directory = b"".join(entries)
    octets += directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1001, 1001, len(directory), len(octets), 0)
    found = answered(octets)
    assert holds_eicar(found)
    assert Flag.AMBIGUOUS in found.leaf.flags
