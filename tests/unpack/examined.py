# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``examine`` tells of some octets, and small archives to ask it about."""

import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from milterguard.core.part import Flag
from milterguard.unpack.examine import examine
from milterguard.unpack.member import Member, Request

EXECUTABLE = Path("/usr/share/clamav-testfiles/clam.exe")
TESTFILES = EXECUTABLE.parent


@dataclass
class Examined:
    """Everything that was told, in its order, and the octets that came with it."""

    members: list[Member] = field(default_factory=list)
    keeps: bool = True
    """Otherwise octets are thrown away."""
    blocks: dict[tuple[int, ...], list[bytes]] = field(default_factory=dict)

    @property
    def given(self) -> dict[tuple[int, ...], bytes]:
        return {path: b"".join(blocks) for path, blocks in self.blocks.items()}

    @property
    def leaf(self) -> Member:
        (leaf,) = (member for member in self.members if member.path == ())
        return leaf

    @property
    def names(self) -> list[str]:
        return [name for member in self.members for name in member.names]

    def named(self, name: str) -> Member:
        return next(member for member in self.members if name in member.names)

    @property
    def flags(self) -> set[Flag]:
        return {flag for member in self.members for flag in member.flags}

    def tell(self, member: Member) -> None:
        self.members.append(member)
        if member.has_octets:
            self.blocks[member.path] = []

    def give(self, block: bytes) -> None:
        if self.keeps:
            self.blocks[self.members[-1].path].append(block)


def examined(octets: bytes, request: Request | None = None, *, keeps: bool = True) -> Examined:
    """Examine octets in this process."""
    found = Examined(keeps=keeps)
    descriptor = os.memfd_create("leaf")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(octets)
        examine(descriptor, request or Request(), found.tell, found.give)
    finally:
        os.close(descriptor)
    return found


def zipped(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return octets.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return octets.getvalue()


def made(folder: Path, *commands: list[str], result: str) -> bytes:
    """Let programs make a file in a folder, and read it."""
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / result).read_bytes()
